//! What a list in the order of its noisy numbers says. Each number's error holds of all rows that are published; of the first rows alone it
//! does not, since noise has helped to choose them. So the named questions and the page `/stats` cut no list short
//! (`tests/it/schema.rs`), and docs/analysts.md has the figures.

use super::*;
use crate::publish::crowd::NETWORK_CAP;
use crate::publish::noise::NoiseSource;

/// Pages of a day, each with this much fewer views than the first one.
const PAGES: u64 = 300;
const VIEWS: u64 = 4_000;
const WINDOWS: u32 = 400;

/// By how many of its errors (95 %) each number of a list is above the truth, from the first to the last.
fn lean(window: u32) -> Vec<f64> {
    let noise_source = NoiseSource::new(&window.to_le_bytes(), Protection::Standard, NETWORK_CAP);
    let error = 1.96 * f64::from(2 * noise_source.sigma());
    let mut rows: Vec<_> = (1..=PAGES)
        .map(|page| {
            let truth = VIEWS / page;
            let place = [("path", page.to_string())];
            let place = place.each_ref().map(|(dimension, value)| (*dimension, value.as_str()));
            let number = noise_source.noisy(truth, "pages", &place, "views", 2);
            (number, (number - truth.cast_signed()) as f64 / error)
        })
        .collect();
    rows.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    rows.into_iter().map(|(_, lean)| lean).collect()
}

/// The mean of so many first rows, and which share of them is off by more than its error.
fn of_the_first(rows: usize) -> (f64, f64) {
    let all: Vec<f64> = (0..WINDOWS).flat_map(|window| lean(window).into_iter().take(rows)).collect();
    let off = all.iter().filter(|lean| lean.abs() > 1.0).count();
    (all.iter().sum::<f64>() / all.len() as f64, off as f64 / all.len() as f64)
}

#[test]
fn the_first_rows_of_a_list_lean_upwards_and_all_of_them_do_not() {
    let (whole, whole_off) = of_the_first(PAGES as usize);
    let (cut, cut_off) = of_the_first(50);
    println!(
        "all rows: {whole:+.3} of their error, {whole_off:.3} are off by more; the first 50: {cut:+.3}, {cut_off:.3}"
    );
    assert!(whole.abs() < 0.01 && (0.045..0.055).contains(&whole_off), "{whole} {whole_off}");
    assert!((0.10..0.15).contains(&cut) && (0.055..0.07).contains(&cut_off), "{cut} {cut_off}");
}
