//! The picture of `docs/linkage.md`: link rates by visits a day.

use std::fmt::Write as _;

use crate::report::Figures;

/// Bars by scale: naive rows, former schema, insider, analyst, chance.
pub(crate) fn picture(figures: &Figures) -> String {
    const COLOURS: [&str; 5] = ["#8c2d04", "#cc6d2e", "#e8a363", "#2a6f97", "#a9c6d8"];
    const NAMES: [&str; 5] = ["naive rows", "former schema", "insider", "analyst", "chance"];
    let (height, group) = (220.0, 150.0);
    let width = 60.0 + group * figures.scales.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} 300\" font-family=\"sans-serif\" font-size=\"11\" role=\"img\">\
         <title>Link rates by visits a day</title><rect width=\"{width}\" height=\"300\" fill=\"#fff\"/>"
    );
    for percent in [0, 25, 50, 75, 100] {
        let y = 20.0 + height * (1.0 - f64::from(percent) / 100.0);
        let _ = write!(
            out,
            "<line x1=\"45\" x2=\"{width}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#ddd\"/><text x=\"40\" y=\"{}\" text-anchor=\"end\">{percent} %</text>",
            y + 4.0
        );
    }
    for (at, scale) in figures.scales.iter().enumerate() {
        let [main, _, chance] = scale.best().1;
        let x = 55.0 + group * at as f64;
        for (bar, rate) in [scale.naive, scale.insider.former, scale.insider.rows, main, chance].into_iter().enumerate()
        {
            let tall = (height * rate.share()).max(1.0);
            let left = x + 25.0 * bar as f64;
            let _ = write!(
                out,
                "<rect x=\"{left}\" y=\"{:.1}\" width=\"22\" height=\"{tall:.1}\" fill=\"{}\"><title>{}: {}</title></rect>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"9\">{:.1}</text>",
                20.0 + height - tall,
                COLOURS[bar],
                NAMES[bar],
                rate.shown(),
                left + 11.0,
                16.0 + height - tall,
                rate.share() * 100.0
            );
        }
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"256\" text-anchor=\"middle\">{} visits a day</text>",
            x + 62.0,
            scale.visits
        );
    }
    for (at, (name, colour)) in NAMES.iter().zip(COLOURS).enumerate() {
        let x = 55.0 + 110.0 * at as f64;
        let _ = write!(
            out,
            "<rect x=\"{x}\" y=\"272\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{}\" y=\"281\">{name}</text>",
            x + 14.0
        );
    }
    out + "</svg>\n"
}
