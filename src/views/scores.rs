//! How good a model is, for people: its scores, the curves of its training, and which classes it takes for which.

use planaria_stages::{Results, ScoreResult, TrainingResult};

use super::{count, curve, percent, table::Table};

/// Blocks of a curve at most.
const CURVE_WIDTH: usize = 40;

/// Classes that are shown one by one; of more of them the worst.
const CLASSES_SHOWN: usize = 20;

/// Everything that is known of the deployed model's predictions, and how it came to them.
pub fn lines(results: &Results) -> Vec<String> {
    let mut lines = Vec::new();
    let scores = [("validation", &results.validation), ("test", &results.test)];
    for (name, score) in scores {
        lines.extend(score.as_ref().into_iter().flat_map(|score| score_lines(name, score)));
    }
    lines.extend(curves(&results.training));
    if let Some(test) = &results.test {
        lines.push(String::new());
        lines.extend(classes(test, &results.class_names));
    }
    lines
}

/// A score in two lines.
fn score_lines(name: &str, score: &ScoreResult) -> [String; 2] {
    let (items, average) = (score.macro_average.support, &score.macro_average);
    [
        format!(
            "{name:<10}  {} of {} items right, {} among the five likeliest, loss {:.4}",
            percent(score.accuracy),
            count(items),
            percent(score.top_five_accuracy),
            score.loss
        ),
        format!(
            "{:<10}  mean of the classes: precision {}, recall {}, F1 {}; calibration error {:.4}",
            "",
            percent(average.precision),
            percent(average.recall),
            percent(average.f1),
            score.calibration_error
        ),
    ]
}

/// The loss of the steps, and of the evaluations on the way.
fn curves(training: &TrainingResult) -> Vec<String> {
    let losses = training.loss_curve.iter().map(|point| point.loss).collect();
    let evaluations = &training.evaluations;
    let chosen = evaluations.iter().filter_map(|point| Some(point.validation?.loss)).collect();
    let test = evaluations.iter().map(|point| point.loss).collect();
    let curves: [(&str, Vec<f64>); 3] =
        [("in training", losses), ("validation", chosen), ("test", test)];
    let line = |(name, losses): (&str, Vec<f64>)| {
        let (first, last) = (losses.first()?, losses.last()?);
        let row = curve::row(&losses, CURVE_WIDTH);
        (losses.len() > 1).then(|| format!("loss {name:<11}  {row}  {first:.4} to {last:.4}"))
    };
    let mut lines: Vec<String> = curves.into_iter().filter_map(line).collect();
    if let Some(best) = &training.best {
        let ended = if training.stopped_early { ", where nothing was gained any more" } else { "" };
        lines.push(format!(
            "best validation {} {:.4} at step {} of {}{ended}",
            best.metric,
            best.value,
            count(best.step),
            count(training.steps)
        ));
    }
    lines
}

/// A line for each class: how well it is told from the others, and what it is taken for.
fn classes(score: &ScoreResult, names: &[String]) -> Vec<String> {
    let mut order: Vec<usize> = (0..score.classes.len()).collect();
    let is_cut = order.len() > CLASSES_SHOWN;
    if is_cut {
        order.sort_by(|a, b| score.classes[*a].f1.total_cmp(&score.classes[*b].f1));
        order.truncate(CLASSES_SHOWN);
    }
    let name = |class: usize| names.get(class).cloned().unwrap_or_else(|| class.to_string());
    let headings = ["class", "precision", "recall", "F1", "items", "taken for"];
    let mut table = Table::new(&headings, &[0, 5]);
    for class in order {
        let found = &score.classes[class];
        table.row([
            name(class),
            percent(found.precision),
            percent(found.recall),
            percent(found.f1),
            count(found.support),
            taken_for(class, &score.confusion[class], name),
        ]);
    }
    let mut lines = table.lines();
    if is_cut {
        let all = score.classes.len();
        lines.push(format!("the worst {CLASSES_SHOWN} of {all} classes; all are in the report"));
    }
    lines
}

/// The wrong classes that a class is taken for most often, three of them.
fn taken_for(class: usize, row: &[u64], name: impl Fn(usize) -> String) -> String {
    let is_wrong = |(other, times): &(usize, &u64)| *other != class && **times > 0;
    let mut wrong: Vec<(usize, &u64)> = row.iter().enumerate().filter(is_wrong).collect();
    wrong.sort_by_key(|(other, times)| (u64::MAX - **times, *other));
    let shown = wrong.iter().take(3).map(|(other, times)| format!("{} ({times})", name(*other)));
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use planaria_stages::ClassResult;

    #[test]
    fn a_class_is_shown_with_what_it_is_taken_for_most_often_first() {
        let class = |precision, recall, f1| ClassResult { precision, recall, f1, support: 10 };
        let score = ScoreResult {
            accuracy: 0.8,
            top_five_accuracy: 1.0,
            loss: 0.51,
            calibration_error: 0.02,
            macro_average: class(0.8, 0.8, 0.79),
            classes: vec![class(1.0, 0.6, 0.75), class(0.7, 0.8, 0.75), class(0.9, 1.0, 0.95)],
            confusion: vec![vec![6, 3, 1], vec![0, 8, 2], vec![0, 0, 10]],
        };
        let names = ["cat", "dog", "hen"].map(str::to_owned);
        let expected = [
            "class  precision    recall       F1  items  taken for",
            "cat     100.00 %   60.00 %  75.00 %     10  dog (3), hen (1)",
            "dog      70.00 %   80.00 %  75.00 %     10  hen (2)",
            "hen      90.00 %  100.00 %  95.00 %     10",
        ];
        assert_eq!(classes(&score, &names), expected);
        assert_eq!(
            score_lines("test", &score)[0],
            "test        80.00 % of 10 items right, 100.00 % among the five likeliest, loss 0.5100"
        );
        let many = ScoreResult {
            classes: vec![class(0.5, 0.5, 0.5); 30],
            confusion: vec![vec![0; 30]; 30],
            ..score
        };
        let lines = classes(&many, &[]);
        assert_eq!(lines.len(), 1 + CLASSES_SHOWN + 1);
        assert!(lines[21].starts_with("the worst 20 of 30 classes"), "{}", lines[21]);
    }
}
