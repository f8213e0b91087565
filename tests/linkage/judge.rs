//! Rates with their intervals, and the advantage of an attack over chance.

/// Successes of a number of tries. An attacker who picks one of n alike has 1/n of a success.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    pub(crate) hits: f64,
    pub(crate) of: f64,
}

impl Rate {
    pub(crate) fn of(tries: impl IntoIterator<Item = bool>) -> Self {
        Self::sum(tries.into_iter().map(|hit| f64::from(u8::from(hit))))
    }

    pub(crate) fn sum(tries: impl IntoIterator<Item = f64>) -> Self {
        tries.into_iter().fold(Self::default(), |rate, hit| Self { hits: rate.hits + hit, of: rate.of + 1.0 })
    }

    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self { hits: self.hits + other.hits, of: self.of + other.of }
    }

    pub(crate) fn share(self) -> f64 {
        if self.of == 0.0 { 0.0 } else { self.hits / self.of }
    }

    /// Wilson's interval at 95 %.
    pub(crate) fn interval(self) -> (f64, f64) {
        if self.of == 0.0 {
            return (0.0, 1.0);
        }
        let (z, n, p) = (1.96f64, self.of, self.share());
        let middle = p + z * z / (2.0 * n);
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + z * z / n;
        (((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0))
    }

    pub(crate) fn shown(self) -> String {
        let (low, high) = self.interval();
        format!("{:.2} % ({:.2}–{:.2})", self.share() * 100.0, low * 100.0, high * 100.0)
    }
}

/// The advantage of a rate over a control group, as a share of the possible gain; and half of its interval.
pub(crate) fn advantage(main: Rate, control: Rate) -> (f64, f64) {
    let remaining = (1.0 - control.share()).max(1e-9);
    let (gain, half) = apart(main, control);
    (gain / remaining, half / remaining)
}

/// True positives minus false positives; and half of its interval.
pub(crate) fn apart(yes: Rate, no: Rate) -> (f64, f64) {
    let variance = |rate: Rate| rate.share() * (1.0 - rate.share()) / rate.of.max(1.0);
    (yes.share() - no.share(), 1.96 * (variance(yes) + variance(no)).sqrt())
}

/// True positives minus false positives: the threshold is the best of the first half, measured on the second.
pub(crate) fn advantage_of_scores(scores: &[(f64, bool)]) -> (f64, f64) {
    let (training, test): (Vec<_>, Vec<_>) = scores.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let rates = |of: &[(usize, &(f64, bool))], threshold: f64, sign: f64| {
        let of_kind = |is_in: bool| {
            Rate::of(
                of.iter().filter(|(_, (_, is))| *is == is_in).map(|(_, (score, _))| score * sign >= threshold * sign),
            )
        };
        (of_kind(true), of_kind(false))
    };
    let mut best = (f64::MIN, 0.0, 1.0);
    for (_, (threshold, _)) in &training {
        for sign in [1.0, -1.0] {
            let (yes, no) = rates(&training, *threshold, sign);
            best = if yes.share() - no.share() > best.0 { (yes.share() - no.share(), *threshold, sign) } else { best };
        }
    }
    let (yes, no) = rates(&test, best.1, best.2);
    apart(yes, no)
}
