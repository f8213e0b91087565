//! What the reports of the benchmarks share: the middle of rounds, and the frame of a picture.

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
