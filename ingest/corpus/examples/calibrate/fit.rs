//! Logistic regression of two measures, by Newton's method.

use kubemate_corpus::relevance::Calibration;
use serde::Serialize;

/// One observation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) cosine: f32,
    pub(crate) coverage: f32,
    pub(crate) is_right: bool,
}

/// The coefficients.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Fitted {
    pub(crate) bias: f64,
    pub(crate) cosine: f64,
    pub(crate) coverage: f64,
}

impl From<Fitted> for Calibration {
    fn from(fitted: Fitted) -> Self {
        Self { bias: fitted.bias as f32, cosine: fitted.cosine as f32, coverage: fitted.coverage as f32 }
    }
}

/// Steps of Newton's method; it stands still after about ten.
const STEPS: usize = 30;
/// Keeps separable samples from infinite coefficients.
const RIDGE: f64 = 1e-3;
/// Cosines move around here; centred, the three columns are of one size.
const CENTRE: f64 = 0.8;
const SPREAD: f64 = 10.0;

/// Fits right hits against wrong ones, both kinds with the same weight in sum.
pub(crate) fn fit(samples: &[Sample]) -> Fitted {
    let right = samples.iter().filter(|sample| sample.is_right).count().max(1) as f64;
    let wrong = (samples.len() as f64 - right).max(1.0);
    let mut at = [0.0; 3];
    for _ in 0..STEPS {
        let mut slope = at.map(|value| -RIDGE * value);
        let mut curve = [[RIDGE, 0.0, 0.0], [0.0, RIDGE, 0.0], [0.0, 0.0, RIDGE]];
        for sample in samples {
            let row = [1.0, (f64::from(sample.cosine) - CENTRE) * SPREAD, f64::from(sample.coverage)];
            let sum: f64 = row.iter().zip(at).map(|(value, weight)| value * weight).sum();
            let guess = 1.0 / (1.0 + (-sum).exp());
            let (truth, weight) = if sample.is_right { (1.0, 1.0 / right) } else { (0.0, 1.0 / wrong) };
            for (i, (slope, curve)) in slope.iter_mut().zip(&mut curve).enumerate() {
                let own = row.get(i).copied().unwrap_or_default();
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
    let [bias, cosine, coverage] = at;
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    Fitted {
        bias: rounded(bias - cosine * SPREAD * CENTRE),
        cosine: rounded(cosine * SPREAD),
        coverage: rounded(coverage),
    }
}

/// Cramer's rule.
fn solve(rows: [[f64; 3]; 3], right: [f64; 3]) -> [f64; 3] {
    let whole = determinant(rows);
    [0, 1, 2].map(|column| {
        let mut replaced = rows;
        for (row, value) in replaced.iter_mut().zip(right) {
            if let Some(cell) = row.get_mut(column) {
                *cell = value;
            }
        }
        determinant(replaced) / whole
    })
}

fn determinant([[a, b, c], [d, e, f], [g, h, i]]: [[f64; 3]; 3]) -> f64 {
    a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
}
