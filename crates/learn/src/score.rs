//! How good predictions are.

use crate::loss::top_class;
use ndarray::{ArrayView1, ArrayView2};

/// Bins of confidence that [`Score::calibration_error`] is computed with.
pub const BINS: usize = 15;

/// What is known of predictions whose labels are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// How many predictions.
    pub count: u64,
    /// How many had their label's class on top.
    pub correct: u64,
    /// How many had it among the five on top.
    pub correct_of_five: u64,
    /// The sum of their cross-entropies.
    pub loss_sum: f64,
    /// How often each class was predicted for each: `confusion[true][predicted]`.
    pub confusion: Vec<Vec<u64>>,
    /// The predictions by the probability of the class on top, in [`BINS`] steps from 0 to 1.
    pub bins: Vec<Bin>,
}

/// Predictions that are about as sure of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// How many.
    pub count: u64,
    /// How many had their label's class on top.
    pub correct: u64,
    /// The sum of the probabilities of the classes on top.
    pub confidence_sum: f64,
}

/// How well one class is told from the others; 0 where there is nothing to divide by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScore {
    /// The share of those predicted to be of the class that are.
    pub precision: f64,
    /// The share of those of the class that are predicted to be.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// How many are of the class.
    pub support: u64,
}

impl Score {
    /// The score of nothing.
    pub fn new(classes: usize) -> Self {
        Score {
            count: 0,
            correct: 0,
            correct_of_five: 0,
            loss_sum: 0.0,
            confusion: vec![vec![0; classes]; classes],
            bins: vec![Bin::default(); BINS],
        }
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
            let is_correct = u64::from(label == predicted);
            self.correct += is_correct;
            self.correct_of_five += u64::from(rank(row, label) < 5);
            self.confusion[label][predicted] += 1;
            self.loss_sum -= libm::log(f64::from(row[label].max(f32::MIN_POSITIVE)));
            let confidence = f64::from(row[predicted]);
            let bin = &mut self.bins[bin_of(confidence)];
            bin.count += 1;
            bin.correct += is_correct;
            bin.confidence_sum += confidence;
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
        self.correct_of_five += other.correct_of_five;
        self.loss_sum += other.loss_sum;
        for (own, other) in
            self.confusion.iter_mut().flatten().zip(other.confusion.iter().flatten())
        {
            *own += other;
        }
        for (own, other) in self.bins.iter_mut().zip(&other.bins) {
            own.count += other.count;
            own.correct += other.correct;
            own.confidence_sum += other.confidence_sum;
        }
    }

    /// The share of correct predictions, from 0 to 1; 0 for none at all.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.count.max(1) as f64
    }

    /// The share of predictions with the label's class among the five on top; 0 for none at all.
    pub fn top_five_accuracy(&self) -> f64 {
        self.correct_of_five as f64 / self.count.max(1) as f64
    }

    /// How well each class is told from the others, in the order of the classes.
    pub fn classes(&self) -> Vec<ClassScore> {
        let of_class = |class: usize| {
            let hits = self.confusion[class][class];
            let support: u64 = self.confusion[class].iter().sum();
            let predicted: u64 = self.confusion.iter().map(|row| row[class]).sum();
            let share = |of: u64| hits as f64 / of.max(1) as f64;
            // The harmonic mean of hits / predicted and hits / support.
            let f1 = 2.0 * hits as f64 / (support + predicted).max(1) as f64;
            ClassScore { precision: share(predicted), recall: share(support), f1, support }
        };
        (0..self.confusion.len()).map(of_class).collect()
    }

    /// The mean of all classes' scores, each as much as another; `support` is that of all.
    pub fn macro_average(&self) -> ClassScore {
        let classes = self.classes();
        let mean = |of: fn(&ClassScore) -> f64| {
            classes.iter().map(of).sum::<f64>() / classes.len().max(1) as f64
        };
        ClassScore {
            precision: mean(|class| class.precision),
            recall: mean(|class| class.recall),
            f1: mean(|class| class.f1),
            support: self.count,
        }
    }

    /// By how much predictions are surer of themselves than they are right (or less sure): the mean
    /// over all of `|accuracy - confidence|` of their bin, from 0 to 1; 0 for none at all.
    ///
    /// Source: Guo et al., "On calibration of modern neural networks", arXiv:1706.04599, equation 3.
    pub fn calibration_error(&self) -> f64 {
        let gaps = self.bins.iter().map(|bin| (bin.correct as f64 - bin.confidence_sum).abs());
        gaps.sum::<f64>() / self.count.max(1) as f64
    }

    /// The mean cross-entropy; 0 for none at all.
    pub fn mean_loss(&self) -> f64 {
        self.loss_sum / self.count.max(1) as f64
    }
}

/// How many classes are above `class`, or beside it and named before it.
fn rank(probabilities: ArrayView1<f32>, class: usize) -> usize {
    let own = probabilities[class];
    let is_above = |&(other, &probability): &(usize, &f32)| {
        probability > own || (probability == own && other < class)
    };
    probabilities.iter().enumerate().filter(is_above).count()
}

/// Bin `b` holds what is above `b / BINS`, up to `(b + 1) / BINS`.
fn bin_of(confidence: f64) -> usize {
    let upper = (confidence * BINS as f64).ceil();
    (upper as usize).saturating_sub(1).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, aview1, aview2};

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

    #[test]
    fn a_label_is_among_the_five_on_top_or_not() {
        let row = [0.3, 0.2, 0.15, 0.15, 0.1, 0.06, 0.04];
        let ranks: Vec<usize> = (0..7).map(|class| rank(aview1(&row), class)).collect();
        assert_eq!(ranks, [0, 1, 2, 3, 4, 5, 6]);
        let mut score = Score::new(7);
        for label in 0..7 {
            score.add(aview2(&[row]), &[label]);
        }
        assert_eq!((score.correct, score.correct_of_five), (1, 5));
        assert!((score.top_five_accuracy() - 5.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn precision_recall_and_f1_are_those_of_the_confusion() {
        let mut score = Score::new(3);
        score.confusion = vec![vec![5, 1, 0], vec![2, 3, 0], vec![1, 0, 0]];
        score.count = 12;
        let classes = score.classes();
        // Class 0: 5 hits of 8 predicted and 6 there; class 1: 3 of 4 and 5; class 2: never.
        let expected = [(0.625, 5.0 / 6.0, 10.0 / 14.0, 6), (0.75, 0.6, 6.0 / 9.0, 5)];
        for (found, (precision, recall, f1, support)) in classes.iter().zip(expected) {
            assert!((found.precision - precision).abs() < 1e-12);
            assert!((found.recall - recall).abs() < 1e-12);
            assert!((found.f1 - f1).abs() < 1e-12 && found.support == support);
        }
        assert_eq!((classes[2].precision, classes[2].recall, classes[2].f1), (0.0, 0.0, 0.0));
        let all = score.macro_average();
        assert!((all.f1 - (10.0 / 14.0 + 6.0 / 9.0) / 3.0).abs() < 1e-12);
        assert!((all.precision - 1.375 / 3.0).abs() < 1e-12 && all.support == 12);
    }

    #[test]
    fn the_calibration_error_is_the_gap_between_confidence_and_accuracy() {
        let mut score = Score::new(2);
        // Four that are 0.75 sure, three of them right: none. One that is all sure and wrong.
        score.add(Array2::from_shape_fn((4, 2), |(_, k)| [0.75, 0.25][k]).view(), &[0, 0, 1, 0]);
        assert!(score.calibration_error() < 1e-9);
        score.add(aview2(&[[1.0, 0.0]]), &[1]);
        assert!((score.calibration_error() - 0.2).abs() < 1e-9);
        assert_eq!((score.bins[11].count, score.bins[14].count), (4, 1));
        let edges = [0.0, 1.0 / 15.0, 0.07, 1.0, f64::NAN].map(bin_of);
        assert_eq!(edges, [0, 0, 1, 14, 0]);
        assert_eq!(Score::new(2).calibration_error(), 0.0);
    }
}
