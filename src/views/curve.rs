//! Curves for people: many numbers as a row of blocks.

/// Blocks from the least to the greatest.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A row of at most `width` blocks, each the mean of as many values as its neighbours, as high between the least and the
/// greatest mean as it is there. What is no number is left blank.
pub fn row(values: &[f64], width: usize) -> String {
    let columns = values.len().min(width);
    let column = |at: usize| {
        let part = &values[at * values.len() / columns..(at + 1) * values.len() / columns];
        part.iter().sum::<f64>() / part.len() as f64
    };
    let means: Vec<f64> = (0..columns).map(column).collect();
    let finite = || means.iter().copied().filter(|mean| mean.is_finite());
    let (least, greatest) =
        (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let block = |mean: f64| {
        let share = if greatest > least { (mean - least) / (greatest - least) } else { 0.0 };
        let at = (share * BLOCKS.len() as f64) as usize;
        if mean.is_finite() { BLOCKS[at.min(BLOCKS.len() - 1)] } else { ' ' }
    };
    means.into_iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_high_as_its_values_and_no_wider_than_the_screen() {
        assert_eq!(row(&[8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 40), "█▇▆▅▄▃▂▁");
        assert_eq!(row(&[4.0, 4.0, 0.0, 0.0, 2.0, 2.0], 3), "█▁▅");
        assert_eq!(row(&[1.0, f64::NAN, 3.0], 40), "▁ █");
        assert_eq!(row(&[5.0; 3], 40), "▁▁▁");
        assert_eq!((row(&[], 40), row(&[1.0; 999], 40).chars().count()), (String::new(), 40));
    }
}
