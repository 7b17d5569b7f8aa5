//! Items that are unlike the rest: blank ones, strangers, and those that look like another class.

use super::card::{Doubt, DoubtKind, Doubts, Named};
use super::look::{COLUMNS, Look, ROWS};
use crate::Split;

/// Items that are listed for each doubt; all are counted.
const LISTED_MAX: usize = 50;

/// A stranger's mean or deviation is so many deviations from that of all training items.
const STRANGE_FROM: f64 = 5.0;

/// Finds the doubtful items among all, which are sorted by their key.
pub(super) fn find(looks: &[Look], classes: usize, named: &dyn Fn(&Look) -> Named) -> Doubts {
    let mut doubts = Doubts::default();
    let is_strange = strangeness(looks);
    let mut astray = Vec::new();
    let centres = centres(looks, classes);
    for look in looks {
        if look.deviation == 0.0 {
            doubts.blank += 1;
            list(&mut doubts.listed, DoubtKind::Blank, look, named);
        } else if is_strange(look) {
            doubts.strange += 1;
            list(&mut doubts.listed, DoubtKind::Strange, look, named);
        }
        if let Some((ratio, class)) = other_class(look, &centres) {
            astray.push((ratio, class, look));
        }
    }
    doubts.looks_like_another = astray.len() as u64;
    // The most doubtful first; equal ones in the order of the items.
    astray.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.key().cmp(&b.2.key())));
    let most = astray.into_iter().take(LISTED_MAX);
    doubts.labels.extend(most.map(|(ratio, class, look)| Doubt {
        kind: DoubtKind::LooksLike { class, ratio },
        item: named(look),
    }));
    doubts
}

fn list(listed: &mut Vec<Doubt>, kind: DoubtKind, look: &Look, named: &dyn Fn(&Look) -> Named) {
    if listed.iter().filter(|doubt| doubt.kind == kind).count() < LISTED_MAX {
        listed.push(Doubt { kind, item: named(look) });
    }
}

/// Whether an item's brightness or contrast is far from that of the training items.
fn strangeness(looks: &[Look]) -> impl Fn(&Look) -> bool {
    let of = |figure: fn(&Look) -> f32| {
        let train = || looks.iter().filter(|look| look.split == Split::Train);
        let count = train().count().max(1) as f64;
        let mean = train().map(|look| f64::from(figure(look))).sum::<f64>() / count;
        let squares = train().map(|look| (f64::from(figure(look)) - mean).powi(2)).sum::<f64>();
        let deviation = (squares / count).sqrt();
        move |look: &Look| {
            (f64::from(figure(look)) - mean).abs() > STRANGE_FROM * deviation.max(1.0)
        }
    };
    let (by_mean, by_deviation) = (of(|look| look.mean), of(|look| look.deviation));
    move |look| by_mean(look) || by_deviation(look)
}

/// The mean small picture of each class over the training items; none for a class of fewer than ten.
fn centres(looks: &[Look], classes: usize) -> Vec<Option<[f64; ROWS * COLUMNS]>> {
    let mut sums = vec![(0u64, [0u64; ROWS * COLUMNS]); classes];
    for look in looks.iter().filter(|look| look.split == Split::Train) {
        let (count, sum) = &mut sums[usize::from(look.label)];
        *count += 1;
        sum.iter_mut().zip(&look.small).for_each(|(sum, &byte)| *sum += u64::from(byte));
    }
    let centre = |(count, sum): (u64, [u64; ROWS * COLUMNS])| {
        (count >= 10).then(|| sum.map(|sum| sum as f64 / count as f64))
    };
    sums.into_iter().map(centre).collect()
}

/// The class whose mean picture is much nearer than that of the item's own class, and how many times.
fn other_class(look: &Look, centres: &[Option<[f64; ROWS * COLUMNS]>]) -> Option<(f64, u8)> {
    let distance = |centre: &[f64; ROWS * COLUMNS]| {
        let pairs = look.small.iter().zip(centre);
        pairs.map(|(&byte, centre)| (f64::from(byte) - centre).powi(2)).sum::<f64>().sqrt()
    };
    let own = distance(centres[usize::from(look.label)].as_ref()?);
    let others = centres.iter().enumerate().filter(|&(class, _)| class != usize::from(look.label));
    let others = others.filter_map(|(class, centre)| Some((distance(centre.as_ref()?), class)));
    let (nearest, class) = others.min_by(|a, b| a.0.total_cmp(&b.0))?;
    let ratio = own / nearest.max(1.0);
    // Far from its own and half as far from another: classes that overlap are no reason for doubt.
    (ratio > 1.5).then_some((ratio, class as u8))
}
