//! What was measured: a value for each row, each server and each round.

use std::collections::BTreeMap;

use super::peers::Kind;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Better {
    Higher,
    Lower,
}

/// One measured value, and the row that it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) what: String,
    pub(super) unit: &'static str,
    /// `None` when the server could not do it at all.
    pub(super) value: Option<f64>,
}

impl Figure {
    pub(super) fn new(what: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { what: what.into(), unit, value: Some(value) }
    }

    pub(super) fn when(self, possible: bool) -> Self {
        Self { value: self.value.filter(|_| possible), ..self }
    }
}

/// One row: what, unit, and each server's values in the order of the rounds.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) unit: &'static str,
    values: BTreeMap<Kind, Vec<f64>>,
}

/// All rows in the order in which they were first measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures(Vec<Row>);

impl Figures {
    pub(super) fn add(&mut self, kind: Kind, figures: Vec<Figure>) {
        for Figure { what, unit, value } in figures {
            match self.0.iter_mut().find(|row| row.what == what) {
                Some(row) => row.values.entry(kind).or_default().extend(value),
                None => self.0.push(Row { what, unit, values: BTreeMap::from([(kind, Vec::from_iter(value))]) }),
            }
        }
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.0
    }

    /// The median of one row for one server.
    pub(super) fn median(&self, what: &str, kind: Kind) -> Option<f64> {
        self.0.iter().find(|row| row.what == what)?.median(kind)
    }

    /// The largest value of one row for one server.
    pub(super) fn most(&self, what: &str, kind: Kind) -> Option<f64> {
        let row = self.0.iter().find(|row| row.what == what)?;
        row.values.get(&kind)?.iter().copied().max_by(f64::total_cmp)
    }

    /// How much more a row is for `kind` than without any gateway, round by round: what the gateway adds.
    pub(super) fn added(&self, what: &str, kind: Kind) -> Option<f64> {
        let row = self.0.iter().find(|row| row.what == what)?;
        let (with, without) = (row.values.get(&kind)?, row.values.get(&Kind::Direct)?);
        median(with.iter().zip(without).map(|(with, without)| with - without).collect())
    }
}

impl Row {
    pub(super) fn median(&self, kind: Kind) -> Option<f64> {
        median(self.values.get(&kind)?.clone())
    }

    /// Rates are better when higher; times and sizes when lower.
    pub(super) fn better(&self) -> Better {
        if self.unit.ends_with("/s") { Better::Higher } else { Better::Lower }
    }

    /// How many times better `kind` is than `other`: above 1 is better, whichever way the row points.
    pub(super) fn times(&self, kind: Kind, other: Kind) -> Option<f64> {
        let (ours, theirs) = (self.median(kind)?, self.median(other)?);
        let times = if self.better() == Better::Higher { ours / theirs } else { theirs / ours };
        times.is_finite().then_some(times)
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some((values.get(middle.checked_sub(1)?)? + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn rows_keep_their_order_and_join_rounds() {
        let mut figures = Figures::default();
        for value in [10.0, 30.0, 20.0] {
            figures.add(Kind::Kubemate, vec![Figure::new("asked", "/s", value), Figure::new("wait", "µs", 50.0)]);
            figures.add(Kind::Nginx, vec![Figure::new("asked", "/s", 40.0), Figure::new("wait", "µs", 25.0)]);
            figures.add(Kind::Direct, vec![Figure::new("asked", "/s", 80.0), Figure::new("wait", "µs", value / 2.0)]);
        }
        let what: Vec<_> = figures.rows().iter().map(|row| row.what.as_str()).collect();
        assert_eq!(what, ["asked", "wait"]);
        assert_eq!(figures.median("asked", Kind::Kubemate), Some(20.0));
        assert_eq!(figures.most("asked", Kind::Kubemate), Some(30.0));
        assert_eq!(figures.added("wait", Kind::Kubemate), Some(40.0));
        assert_eq!(figures.rows()[0].times(Kind::Kubemate, Kind::Nginx), Some(0.5));
        assert_eq!(figures.rows()[1].times(Kind::Kubemate, Kind::Nginx), Some(0.5));
    }

    #[test]
    fn what_a_server_cannot_do_has_no_value() {
        let mut figures = Figures::default();
        figures.add(Kind::LiteLlm, vec![Figure::new("asked", "/s", 1.0).when(false)]);
        assert_eq!(figures.median("asked", Kind::LiteLlm), None);
        assert_eq!(figures.rows()[0].times(Kind::Kubemate, Kind::LiteLlm), None);
    }
}
