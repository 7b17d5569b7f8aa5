//! How good predictions are.

use crate::loss::top_class;
use ndarray::ArrayView2;

/// What is known of predictions whose labels are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// How many predictions.
    pub count: u64,
    /// How many had their label's class on top.
    pub correct: u64,
    /// The sum of their cross-entropies.
    pub loss_sum: f64,
    /// How often each class was predicted for each: `confusion[true][predicted]`.
    pub confusion: Vec<Vec<u64>>,
}

impl Score {
    /// The score of nothing.
    pub fn new(classes: usize) -> Self {
        Score { count: 0, correct: 0, loss_sum: 0.0, confusion: vec![vec![0; classes]; classes] }
    }

    /// Adds predictions `[N, classes]` and their labels, in their order.
    ///
    /// A probability of 0 counts as the least that f32 can tell from it, so that one sample cannot
    /// make the loss infinite.
    ///
    /// # Panics
    /// When the lengths disagree or a label is not a class.
    pub fn add(&mut self, probabilities: ArrayView2<'_, f32>, labels: &[u8]) {
        let shape = (labels.len(), self.confusion.len());
        assert_eq!(probabilities.dim(), shape, "every label has its probabilities");
        for (row, &label) in probabilities.outer_iter().zip(labels) {
            let (label, predicted) = (usize::from(label), top_class(row));
            self.count += 1;
            self.correct += u64::from(label == predicted);
            self.confusion[label][predicted] += 1;
            self.loss_sum -= f64::from(row[label].max(f32::MIN_POSITIVE)).ln();
        }
    }

    /// Adds another score; merge in a fixed order for the same bits.
    ///
    /// # Panics
    /// When it is of another number of classes.
    pub fn merge(&mut self, other: &Score) {
        assert_eq!(self.confusion.len(), other.confusion.len(), "scores are of the same classes");
        self.count += other.count;
        self.correct += other.correct;
        self.loss_sum += other.loss_sum;
        for (own, other) in
            self.confusion.iter_mut().flatten().zip(other.confusion.iter().flatten())
        {
            *own += other;
        }
    }

    /// The share of correct predictions, from 0 to 1; 0 for none at all.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.count.max(1) as f64
    }

    /// The mean cross-entropy; 0 for none at all.
    pub fn mean_loss(&self) -> f64 {
        self.loss_sum / self.count.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::aview2;

    #[test]
    fn a_score_counts_what_was_predicted_for_what() {
        let mut score = Score::new(2);
        score.add(aview2(&[[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]]), &[0, 1, 0]);
        assert_eq!((score.count, score.correct), (3, 1));
        assert_eq!(score.confusion, [[1, 1], [1, 0]]);
        assert!((score.accuracy() - 1.0 / 3.0).abs() < 1e-12);
        let loss = -(0.75f64.ln() + 0.5f64.ln() + f64::from(f32::MIN_POSITIVE).ln());
        assert!((score.loss_sum - loss).abs() < 1e-9);
        assert!((score.mean_loss() - loss / 3.0).abs() < 1e-9);
    }

    #[test]
    fn merged_scores_are_the_score_of_all() {
        let (mut one, mut other, mut all) = (Score::new(2), Score::new(2), Score::new(2));
        one.add(aview2(&[[0.9, 0.1]]), &[1]);
        other.add(aview2(&[[0.2, 0.8]]), &[1]);
        all.add(aview2(&[[0.9, 0.1], [0.2, 0.8]]), &[1, 1]);
        one.merge(&other);
        assert_eq!(one, all);
        assert_eq!(Score::new(3).accuracy(), 0.0);
    }
}
