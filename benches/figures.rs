//! What the reports of the benchmarks share: the middle of rounds, the frame of a picture, and curves.

use std::fmt::Write as _;

/// The middle one of the rounds.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A picture (SVG) of so many pixels, with its title at the top.
pub(crate) fn picture(title: &str, height: f64, content: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 780 {height}' width='780' height='{height}' role='img' \
         aria-label=\"{title}\" font-family='system-ui, sans-serif' font-size='13' fill='#333'>\n\
         <rect width='780' height='{height}' fill='#fff'/>\n\
         <text x='8' y='18' font-size='14' font-weight='600'>{title}</text>\n{content}</svg>\n"
    )
}

/// How two figures grow with one thing.
pub(crate) struct Curve {
    pub(crate) name: String,
    /// A value of that thing, and both figures there.
    pub(crate) points: Vec<(String, [f64; 2])>,
}

/// A picture with a small one for each curve, two in a row. The values lie side by side, so that a factor of ten has one step. Each of
/// both figures has one colour (green, sand) and one scale.
pub(crate) fn curves(title: &str, curves: &[Curve]) -> String {
    const WIDE: f64 = 380.0;
    const HIGH: f64 = 150.0;
    let most = [0, 1].map(|figure| {
        let all = curves.iter().flat_map(|curve| &curve.points).map(|(_, figures)| figures[figure]);
        all.fold(f64::MIN_POSITIVE, f64::max)
    });
    let mut out = String::new();
    for (number, Curve { name, points }) in curves.iter().enumerate() {
        let (left, top) = ((number % 2) as f64 * WIDE + 10.0, (number / 2) as f64 * (HIGH + 70.0) + 40.0);
        let _ = writeln!(out, "<text x='{left}' y='{top}' font-weight='600'>{name}</text>");
        let step = (WIDE - 30.0) / points.len() as f64;
        let bottom = top + 10.0 + HIGH;
        for (at, (value, figures)) in points.iter().enumerate() {
            let x = left + step * at as f64;
            for (figure, colour) in ["#2f6f4f", "#b9a06a"].into_iter().enumerate() {
                let (left, high) = (x + step * 0.4 * figure as f64, figures[figure] / most[figure] * (HIGH - 20.0));
                let decimals = usize::from(figures[figure] < 9.95);
                let _ = writeln!(
                    out,
                    "<rect x='{left:.0}' y='{:.0}' width='{:.0}' height='{high:.0}' fill='{colour}'/>\
                     <text x='{left:.0}' y='{:.0}' font-size='10'>{:.decimals$}</text>",
                    bottom - high,
                    step * 0.36,
                    bottom - high - 3.0,
                    figures[figure]
                );
            }
            let _ = writeln!(out, "<text x='{x:.0}' y='{:.0}' font-size='11'>{value}</text>", bottom + 14.0);
        }
    }
    picture(title, 40.0 + curves.len().div_ceil(2) as f64 * (HIGH + 70.0), &out)
}
