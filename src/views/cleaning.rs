//! What a cleaning has set aside, in a line or a few.

use planaria_data::{
    Cleaning,
    clean::{CleaningCounts, Reason},
};

use super::{count, counted};

/// Filled columns that are told one by one.
const COLUMNS_MAX: usize = 5;

/// How many items stay, how many are set aside for what, and what else was found.
pub fn line(counts: &CleaningCounts) -> String {
    let CleaningCounts { train, test } = counts;
    let mut line = format!(
        "{} of {} train and {} of {} test items stay",
        count(train.kept),
        count(train.items),
        count(test.kept),
        count(test.items)
    );
    let both = |reason| (train.of(reason), test.of(reason));
    let all = |what: &str, number: fn(planaria_data::clean::Count) -> u64| -> String {
        let told = Reason::ALL.into_iter().filter_map(|reason| {
            let (train, test) = both(reason);
            let items = number(train) + number(test);
            (items > 0).then(|| format!("{} {}", count(items), reason.name()))
        });
        let told: Vec<String> = told.collect();
        if told.is_empty() { String::new() } else { format!("; {what} {}", told.join(", ")) }
    };
    line.push_str(&all("set aside:", |count| count.removed));
    line.push_str(&all("kept all the same:", |count| count.found - count.removed));
    line
}

/// The balance of the classes, and what fills holes.
pub fn details(cleaning: &Cleaning) -> Vec<String> {
    let mut lines = Vec::new();
    let train = || cleaning.classes.iter().map(|class| class.train);
    if let (Some(least), Some(most)) = (train().min(), train().max()) {
        let classes = counted(cleaning.classes.len() as u64, "class", "classes");
        lines.push(format!("{classes} of {} to {} train items", count(least), count(most)));
    }
    for column in cleaning.filled.iter().take(COLUMNS_MAX) {
        let rows = counted(column.rows, "row", "rows");
        lines.push(format!("`{}` is {} in {rows} without it", column.column, column.value));
    }
    match cleaning.filled.len().saturating_sub(COLUMNS_MAX) {
        0 => {}
        more => lines.push(format!(
            "{} are filled, too",
            counted(more as u64, "more column", "more columns")
        )),
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use planaria_data::clean::{Count, SplitCleaning};

    #[test]
    fn what_is_set_aside_and_what_is_only_found_are_told_apart() {
        let train = SplitCleaning {
            items: 1_200,
            kept: 1_190,
            unreadable: Count { found: 1, removed: 1 },
            duplicates: Count { found: 9, removed: 9 },
            leaks: Count { found: 2, removed: 0 },
            ..SplitCleaning::default()
        };
        let test = SplitCleaning { items: 7, kept: 7, ..SplitCleaning::default() };
        assert_eq!(
            line(&CleaningCounts { train, test }),
            "1,190 of 1,200 train and 7 of 7 test items stay; set aside: 1 unreadable, 9 duplicates; \
             kept all the same: 2 leaked from the test items"
        );
    }
}
