//! Logistic regression of two measures and the language, by Newton's method.

use kubemate_corpus::relevance::Calibration;
use serde::Serialize;

/// One observation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) cosine: f32,
    pub(crate) coverage: f32,
    pub(crate) is_right: bool,
    pub(crate) is_chinese: bool,
}

impl Sample {
    fn row(&self) -> [f64; COLUMNS] {
        let chinese = f64::from(u8::from(self.is_chinese));
        [1.0, (f64::from(self.cosine) - CENTRE) * SPREAD, f64::from(self.coverage), chinese]
    }
}

/// The coefficients.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Fitted {
    pub(crate) bias: f64,
    pub(crate) cosine: f64,
    pub(crate) coverage: f64,
    pub(crate) chinese: f64,
}

impl From<Fitted> for Calibration {
    fn from(fitted: Fitted) -> Self {
        let Fitted { bias, cosine, coverage, chinese } = fitted;
        Self { bias: bias as f32, cosine: cosine as f32, coverage: coverage as f32, chinese: chinese as f32 }
    }
}

/// One, cosine, coverage, language.
const COLUMNS: usize = 4;
/// Steps of Newton's method; it stands still after about ten.
const STEPS: usize = 30;
/// Keeps separable samples from infinite coefficients.
const RIDGE: f64 = 1e-3;
/// Cosines move around here; centred, the columns are of one size.
const CENTRE: f64 = 0.8;
const SPREAD: f64 = 10.0;

/// Fits right hits against wrong ones: both kinds with the same weight in sum, and each set of questions, too.
pub(crate) fn fit(sets: &[Vec<Sample>]) -> Fitted {
    let samples: Vec<(Sample, f64)> = sets.iter().flat_map(|set| weighted(set)).collect();
    let mut at = [0.0; COLUMNS];
    for _ in 0..STEPS {
        let mut slope = at.map(|value| -RIDGE * value);
        let mut curve = [[0.0; COLUMNS]; COLUMNS];
        curve.iter_mut().enumerate().for_each(|(i, row)| row.iter_mut().skip(i).take(1).for_each(|cell| *cell = RIDGE));
        for (sample, weight) in &samples {
            let row = sample.row();
            let sum: f64 = row.iter().zip(at).map(|(value, weight)| value * weight).sum();
            let guess = 1.0 / (1.0 + (-sum).exp());
            let truth = f64::from(u8::from(sample.is_right));
            for ((own, slope), curve) in row.iter().zip(&mut slope).zip(&mut curve) {
                *slope += weight * (truth - guess) * own;
                curve
                    .iter_mut()
                    .zip(row)
                    .for_each(|(cell, other)| *cell += weight * guess * (1.0 - guess) * own * other);
            }
        }
        let step = solve(curve, slope);
        at.iter_mut().zip(step).for_each(|(value, step)| *value += step);
    }
    let [bias, cosine, coverage, chinese] = at;
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    Fitted {
        bias: rounded(bias - cosine * SPREAD * CENTRE),
        cosine: rounded(cosine * SPREAD),
        coverage: rounded(coverage),
        chinese: rounded(chinese),
    }
}

fn weighted(set: &[Sample]) -> Vec<(Sample, f64)> {
    let right = set.iter().filter(|sample| sample.is_right).count();
    let share = |sample: &Sample| if sample.is_right { right } else { set.len() - right };
    set.iter().map(|sample| (*sample, 1.0 / share(sample).max(1) as f64)).collect()
}

/// Gauss and Jordan's elimination; the ridge keeps every pivot away from zero.
fn solve(mut rows: [[f64; COLUMNS]; COLUMNS], mut right: [f64; COLUMNS]) -> [f64; COLUMNS] {
    for at in 0..COLUMNS {
        let (Some(pivot), Some(value)) = (rows.get(at).copied(), right.get(at).copied()) else { continue };
        let Some(scale) = pivot.get(at).copied() else { continue };
        for (i, (row, value_of_row)) in rows.iter_mut().zip(&mut right).enumerate() {
            let factor = row.get(at).copied().unwrap_or_default() / scale;
            if i != at {
                row.iter_mut().zip(pivot).for_each(|(cell, above)| *cell -= factor * above);
                *value_of_row -= factor * value;
            }
        }
    }
    let mut solved = right;
    solved.iter_mut().zip(rows.iter().enumerate()).for_each(|(value, (i, row))| {
        *value /= row.get(i).copied().unwrap_or(1.0);
    });
    solved
}
