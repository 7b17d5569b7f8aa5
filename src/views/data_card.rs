//! A data card as text: the figures first, then what is worth a look.

use planaria_data::inspect::card::{
    DataCard, Doubt, DoubtKind, Named, SplitCard, SplitName, TwinCounts, Twinship,
};

use super::{bytes, count, counted, table::Table};

/// Lines of a list that are shown; `--json` has them all.
const SHOWN_MAX: usize = 5;

/// The card as text.
pub fn screen(card: &DataCard) -> String {
    let mut lines = vec![format!("data      {}", card.source)];
    lines.push(format!("sha256    {}", card.sha256));
    for (name, split) in [("train", &card.train), ("test", &card.test)] {
        lines.push(format!("{name:<9} {}", split_line(split)));
    }
    let numbers = |of: fn(&planaria_data::inspect::card::Channel) -> f64| {
        let numbers: Vec<String> =
            card.channels.iter().map(|channel| format!("{:.4}", of(channel))).collect();
        numbers.join(", ")
    };
    lines.push(format!("mean      {}", numbers(|channel| channel.mean)));
    lines.push(format!("deviation {}", numbers(|channel| channel.deviation)));
    lines.push(format!("sizes     {}", sizes(card)));
    if !card.formats.is_empty() {
        let formats = card.formats.iter().map(|(name, items)| format!("{name}: {}", count(*items)));
        lines.push(format!("formats   {}", formats.collect::<Vec<_>>().join(", ")));
    }
    lines.push(String::new());
    lines.extend(classes(card));
    lines.push(String::new());
    lines.extend(twins(card));
    lines.extend(doubts(card));
    lines.join("\n")
}

fn split_line(split: &SplitCard) -> String {
    if split.items == 0 {
        return "no items".into();
    }
    let (all, least, greatest) =
        (bytes(split.bytes), bytes(split.bytes_least), bytes(split.bytes_greatest));
    let usable = match split.unusable {
        0 => String::new(),
        unusable => format!(", {} unusable", count(unusable)),
    };
    let items = counted(split.items, "item", "items");
    format!("{items}{usable}; {all}, {least} to {greatest} an item")
}

fn sizes(card: &DataCard) -> String {
    let shown = card.sizes.iter().take(SHOWN_MAX);
    let shown =
        shown.map(|size| format!("{}x{}x{}: {}", size.h, size.w, size.c, count(size.items)));
    let shown: Vec<String> = shown.collect();
    match card.sizes.len().saturating_sub(SHOWN_MAX) {
        0 => shown.join(", "),
        more => format!("{}, and {}", shown.join(", "), counted(more as u64, "other", "others")),
    }
}

fn classes(card: &DataCard) -> Vec<String> {
    let mut table = Table::new(&["class", "train", "", "test"], &[0, 2]);
    let most = card.train.by_class.iter().copied().max().unwrap_or(0).max(1);
    let counts = card.train.by_class.iter().zip(&card.test.by_class);
    for (name, (&train, &test)) in card.class_names.iter().zip(counts) {
        let bar = "#".repeat((train * 20).div_ceil(most) as usize);
        table.row([name.clone(), count(train), bar, count(test)]);
    }
    table.lines()
}

fn twins(card: &DataCard) -> Vec<String> {
    let twins = &card.twins;
    let mut table = Table::new(&["twins", "in train", "in test", "leaked", "conflicting"], &[0]);
    for (name, counts) in [("equal", twins.equal), ("alike", twins.alike)] {
        let TwinCounts { within_train, within_test, leaked, conflicting } = counts;
        table.row([
            name.into(),
            count(within_train),
            count(within_test),
            count(leaked),
            count(conflicting),
        ]);
    }
    let mut lines = table.lines();
    for pair in twins.serious.iter().take(SHOWN_MAX) {
        let how = match pair.kind {
            Twinship::Equal => "equals",
            Twinship::Alike => "looks like",
        };
        lines.push(format!("  {} {how} {}", item(card, &pair.second), item(card, &pair.first)));
    }
    lines
}

fn doubts(card: &DataCard) -> Vec<String> {
    let doubts = &card.doubts;
    let mut lines = vec![format!(
        "doubts    {} blank, {} strange, {} like another class, {} unusable",
        count(doubts.blank),
        count(doubts.strange),
        count(doubts.looks_like_another),
        count(card.train.unusable + card.test.unusable),
    )];
    for doubt in doubts.labels.iter().take(SHOWN_MAX) {
        lines.push(format!("  {} {}", item(card, &doubt.item), why(card, doubt)));
    }
    for reason in card.unusable.iter().take(SHOWN_MAX) {
        let Named { split, index, name, .. } =
            Named { split: reason.split, index: reason.index, label: 0, name: reason.name.clone() };
        lines.push(format!("  {}: {}", place(split, index, name.as_deref()), reason.what));
    }
    lines
}

/// Why an item is worth a look.
pub(super) fn why(card: &DataCard, doubt: &Doubt) -> String {
    match doubt.kind {
        DoubtKind::Blank => "is of one colour".into(),
        DoubtKind::Strange => "is unlike all others in brightness or contrast".into(),
        DoubtKind::LooksLike { class, .. } => {
            format!("looks like {}", card.class_names[usize::from(class)])
        }
    }
}

/// An item with its class: `train 7 (cat/0007.png), a cat`.
pub(super) fn item(card: &DataCard, named: &Named) -> String {
    let place = place(named.split, named.index, named.name.as_deref());
    format!("{place}, labelled {}", card.class_names[usize::from(named.label)])
}

fn place(split: SplitName, index: u64, name: Option<&str>) -> String {
    let split = match split {
        SplitName::Train => "train",
        SplitName::Test => "test",
    };
    match name {
        Some(name) => name.to_owned(),
        None => format!("{split} item {index}"),
    }
}
