//! A learning-rate range test for people: the curve as a table with a bar for each loss, and the rate that follows.

use super::table::Table;
use crate::report::learning_rate::{RangeTest, RatePoint};

/// Rows of the table at most.
const ROWS: usize = 20;

/// Blocks of the longest bar.
const BAR: f64 = 40.0;

/// The screen.
pub fn screen(test: &RangeTest) -> String {
    let points = &test.points;
    let rows = points.len().min(ROWS);
    let greatest = points.iter().map(|point| point.smoothed).fold(0.0, f64::max);
    let mut table = Table::new(&["rate", "step", "loss", "smoothed", ""], &[4]);
    for row in 0..rows {
        let RatePoint { step, rate, loss, smoothed } = points[(row + 1) * points.len() / rows - 1];
        let blocks = if greatest > 0.0 { (smoothed / greatest * BAR).round() as usize } else { 0 };
        table.row([
            format!("{rate:.2e}"),
            step.to_string(),
            format!("{loss:.4}"),
            format!("{smoothed:.4}"),
            "█".repeat(blocks),
        ]);
    }
    let mut lines = table.lines();
    if test.diverged {
        lines.push("the loss diverges after the last row".into());
    }
    lines.push(String::new());
    lines.extend(match (test.suggested, test.steepest) {
        (Some(suggested), Some(steepest)) => vec![
            format!("suggested  {suggested:.1e}: a tenth of the rate at which the loss is least"),
            format!("steepest   {steepest:.1e}: the rate at which it falls fastest"),
        ],
        _ => vec!["no suggestion: the loss never falls; try other `--from` and `--to`".into()],
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_a_table_with_bars_and_ends_in_a_rate() {
        let point = |step: u64| RatePoint {
            step,
            rate: 1e-4 * step as f64,
            loss: 2.0,
            smoothed: 2.0 / step as f64,
        };
        let points = (1..=40).map(point).collect();
        let test =
            RangeTest { suggested: Some(4e-4), steepest: Some(1e-4), diverged: true, points };
        let screen = screen(&test);
        assert_eq!(screen.lines().count(), 1 + 20 + 1 + 1 + 2, "{screen}");
        assert!(
            screen.contains("2.00e-4     2  2.0000    1.0000  ████████████████████\n"),
            "{screen}"
        );
        assert!(screen.ends_with("it falls fastest") && screen.contains("suggested  4.0e-4: "));
    }
}
