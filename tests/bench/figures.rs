//! How a figure is taken and printed: several rounds, the median with the least and the most.

use std::time::Duration;

/// How many rounds a figure is the median of.
pub const ROUNDS: usize = 5;

/// Prints rows.
pub struct Board {
    wanted: Vec<String>,
}

impl Board {
    /// Returns a board for the rows whose names hold one of these words; all without words.
    pub fn new(wanted: Vec<String>) -> Self {
        println!("{:<44} {:>14} {:>14} {:>14}", "", "median", "least", "most");
        Self { wanted }
    }

    /// Says whether a row is wanted.
    pub fn wants(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|word| name.contains(word.as_str()))
    }

    /// Prints a row of figures that share a unit.
    pub fn row(&mut self, name: &str, unit: &str, mut figures: Vec<f64>) {
        figures.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (figures.first(), figures.last()) else {
            println!("{name:<44} nothing was measured");
            return;
        };
        let shown = |figure: f64| format!("{} {unit}", round(figure));
        println!("{name:<44} {:>14} {:>14} {:>14}", shown(figures[figures.len() / 2]), shown(*least), shown(*most));
    }

    /// Prints the median, the 99th percentile and the most of many figures.
    pub fn percentiles(&mut self, name: &str, unit: &str, mut figures: Vec<f64>) {
        figures.sort_by(f64::total_cmp);
        if figures.is_empty() {
            println!("{name:<44} nothing was measured");
            return;
        }
        let at = |share: f64| figures[((figures.len() - 1) as f64 * share) as usize];
        let (middle, high, most) = (round(at(0.5)), round(at(0.99)), round(at(1.0)));
        println!("{name:<44} p50 {middle} {unit}, p99 {high} {unit}, most {most} {unit}, n = {}", figures.len());
    }

    /// Says why a row is not measured here.
    pub fn skip(&mut self, name: &str, why: &str) {
        println!("{name:<44} not measured: {why}");
    }
}

fn round(figure: f64) -> String {
    match figure.abs() {
        f if f >= 100.0 => format!("{figure:.0}"),
        f if f >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

/// Returns a duration in milliseconds.
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Returns a duration in microseconds.
pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
