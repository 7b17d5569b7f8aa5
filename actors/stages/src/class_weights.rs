//! Class weights from how many training items each class has.

/// `items / (classes * items of the class)`, so that each class that is there counts as much as another; 1 for one without
/// an item.
///
/// Source: King and Zeng, "Logistic regression in rare events data", Political Analysis 9 (2001), as scikit-learn's
/// `class_weight="balanced"` takes it.
pub(crate) fn balanced(counts: &[u64]) -> Vec<f32> {
    let items: u64 = counts.iter().sum();
    let classes = counts.iter().filter(|count| **count > 0).count() as u64;
    let weight = |&count: &u64| match count {
        0 => 1.0,
        count => (items as f64 / (classes * count) as f64) as f32,
    };
    counts.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_that_is_there_counts_as_much_as_another() {
        let weights = balanced(&[90, 10, 0]);
        assert_eq!(weights[1..], [5.0, 1.0]);
        assert!((weights[0] * 90.0 - weights[1] * 10.0).abs() < 1e-4, "{weights:?}");
        assert_eq!(balanced(&[7, 7]), [1.0, 1.0]);
    }
}
