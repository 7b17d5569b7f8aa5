//! The card of a table as text: a line a column, then the classes, then the rows that are worth a look.

use planaria_data::{
    Split,
    clean::{CleaningCounts, Reason, SetAside, SplitCleaning},
    inspect::{columns::ColumnCard, table::TableCard},
};

use super::{count, counted, table::Table};

/// Lines of a list that are shown; `--json` has them all.
const SHOWN_MAX: usize = 10;

/// The card as text.
pub fn screen(card: &TableCard) -> String {
    let mut lines = vec![format!("data      {}", card.source)];
    lines.push(format!("sha256    {}", card.sha256));
    let CleaningCounts { train, test } = &card.rows.counts;
    for (name, split) in [("train", train), ("test", test)] {
        lines.push(format!("{name:<9} {}", rows(split)));
    }
    if !card.texts.is_empty() {
        lines.push(format!("texts     {}: not looked at", card.texts.join(", ")));
    }
    lines.push(String::new());
    lines.extend(columns(card));
    lines.push(String::new());
    lines.extend(classes(card));
    lines.push(String::new());
    lines.extend(suspicious(card));
    lines.join("\n")
}

/// How many rows, and what is wrong with how many of them.
fn rows(split: &SplitCleaning) -> String {
    let told = Reason::ALL.into_iter().filter_map(|reason| {
        let found = split.of(reason).found;
        (found > 0).then(|| format!("{} {}", count(found), reason.name()))
    });
    let told: Vec<String> =
        std::iter::once(counted(split.items, "row", "rows")).chain(told).collect();
    told.join(", ")
}

fn columns(card: &TableCard) -> Vec<String> {
    let names = [
        "column",
        "kind",
        "missing",
        "different",
        "least",
        "quarter",
        "median",
        "three",
        "greatest",
        "mean",
        "train",
    ];
    let mut table = Table::new(&names, &[0, 1, 10]);
    for column in &card.columns {
        let different = column.different.map_or_else(|| "many".to_owned(), count);
        let [quarter, median, three] = quartiles(column);
        table.row([
            plain(&column.name),
            column.kind.name().to_owned(),
            count(column.missing.iter().sum()),
            different,
            number(column.least),
            number(quarter),
            number(median),
            number(three),
            number(column.greatest),
            number(column.mean),
            bars(&column.train),
        ]);
    }
    let mut lines = table.lines();
    if card.columns_untold > 0 {
        lines.push(format!("and {}", counted(card.columns_untold, "column more", "columns more")));
    }
    lines
}

/// The quartiles of a column, each if it has any.
pub(super) fn quartiles(column: &ColumnCard) -> [Option<f32>; 3] {
    std::array::from_fn(|at| column.quartiles.get(at).copied().flatten())
}

/// A number in few signs.
pub(super) fn number(number: Option<f32>) -> String {
    match number {
        None => "-".into(),
        Some(0.0) => "0".into(),
        Some(number) if (1e-3..1e6).contains(&number.abs()) => {
            let text = format!("{number:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Some(number) => format!("{number:e}"),
    }
}

/// A histogram in one line.
fn bars(bars: &[u64]) -> String {
    let most = bars.iter().copied().max().unwrap_or(0).max(1);
    let bar = |&bar: &u64| match bar {
        0 => ' ',
        // As many eighths as it is of the highest, at least one.
        bar => {
            ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][((bar * 8).div_ceil(most) as usize - 1).min(7)]
        }
    };
    bars.iter().map(bar).collect()
}

fn classes(card: &TableCard) -> Vec<String> {
    let mut table = Table::new(&["class", "train", "", "test"], &[0, 2]);
    let most = card.rows.classes.iter().map(|class| class.train).max().unwrap_or(0).max(1);
    for class in &card.rows.classes {
        let bar = "#".repeat((class.train * 20).div_ceil(most) as usize);
        table.row([plain(&class.name), count(class.train), bar, count(class.test)]);
    }
    table.lines()
}

fn suspicious(card: &TableCard) -> Vec<String> {
    let listed = card.suspicious.iter().take(SHOWN_MAX);
    let mut lines: Vec<String> =
        listed.map(|row| format!("  {}: {}", place(row), plain(&row.cause))).collect();
    match card.suspicious.len() {
        0 => lines.push("no row is suspicious".into()),
        all => lines.insert(0, format!("{} to look at", counted(all as u64, "row", "rows"))),
    }
    if card.suspicious.len() > SHOWN_MAX {
        lines.push("  ... --json has them all".into());
    }
    lines
}

/// Which row: its number in its split.
pub(super) fn place(row: &SetAside) -> String {
    format!("{} row {}", Split::from(row.split), row.index)
}

/// A text of somebody's file as it can be printed.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_histograms_one_line() {
        let shown = [None, Some(0.0), Some(2.5), Some(-1234.0), Some(1e9), Some(1e-7)].map(number);
        assert_eq!(shown, ["-", "0", "2.5", "-1234", "1e9", "1e-7"]);
        assert_eq!(bars(&[0, 1, 4, 8]), " ▁▄█");
        assert_eq!(plain("a\u{1b}[2J"), "a?[2J");
    }
}
