//! Drift: does what flows now look like what the model was measured on?
//!
//! Of each item a few [`figures`] are looked at. A [`Profile`] holds how they were spread over the held-out items, in bins of
//! about equal counts, and how often each class was predicted there; it goes with the model. What is predicted later is
//! counted into the same bins ([`Recent`]) and compared, by two measures:
//!
//! - the population stability index, `sum((p - q) ln(p / q))` over the bins (N. Siddiqi, *Credit Risk Scorecards*, 2006: above
//!   0.25 something has shifted), with half an item added to each bin so that none is empty;
//! - the statistic of Kolmogorov and Smirnov, the greatest distance of the two cumulative shares, read at the bins' edges: a
//!   lower bound of the exact one.
//!
//! A few items differ by chance alone. So neither counts before it is beyond what chance gives once in some ten thousand times,
//! whatever the limits say. Counts of whole numbers: the order of the items changes nothing.

use crate::Values;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bins of about equal counts that a figure is cut into; a number that is very frequent has a bin of its own.
const BINS: usize = 20;

/// Figures of an item, the first of a wide table's columns.
pub const FIGURES_MAX: usize = 64;

/// Figures that are named in a sentence.
const NAMED_MAX: usize = 3;

/// Parts that a picture is cut into along each side: the brightness of each is a figure.
const PARTS: usize = 4;

/// Beyond how many deviations something is no chance: once in some 30,000 times.
const DEVIATIONS: f64 = 4.0;

/// Likewise of the Kolmogorov-Smirnov statistic, to be multiplied by the root of 1/n + 1/m.
const KS_FACTOR: f64 = 2.3;

/// What is looked at of an item: of a picture its brightness, its contrast, the brightness of each of its 4x4 parts and, if it
/// has colours, of each channel; of a row its numbers.
pub fn figures(values: &Values) -> Vec<f32> {
    let pixels = match values {
        Values::Numbers(numbers) => {
            return numbers.data.iter().copied().take(FIGURES_MAX).collect();
        }
        Values::Pixels(pixels) => pixels,
    };
    let mut parts = [(0u64, 0u64); PARTS * PARTS];
    let mut channels = vec![0u64; pixels.c];
    for (at, pixel) in pixels.data.chunks_exact(pixels.c).enumerate() {
        let (y, x) = (at / pixels.w, at % pixels.w);
        let part = &mut parts[y * PARTS / pixels.h * PARTS + x * PARTS / pixels.w];
        let sum: u64 = pixel.iter().map(|&byte| u64::from(byte)).sum();
        *part = (part.0 + sum, part.1 + pixel.len() as u64);
        channels.iter_mut().zip(pixel).for_each(|(sum, &byte)| *sum += u64::from(byte));
    }
    let mean = |sum: u64, count: u64| (sum as f64 / count.max(1) as f64) as f32;
    let area = (pixels.h * pixels.w) as u64;
    let colours = if pixels.c > 1 { &channels[..] } else { &[] };
    let whole = crate::clean::outliers::of_picture(pixels);
    let parts = parts.iter().map(|&(sum, count)| mean(sum, count));
    whole.into_iter().chain(parts).chain(colours.iter().map(|&sum| mean(sum, area))).collect()
}

/// What the [`figures`] of items of a shape are called; `columns` are the names of a table's.
pub fn figure_names(
    (_, _, c): (usize, usize, usize),
    is_table: bool,
    columns: &[String],
) -> Vec<String> {
    if is_table {
        let name = |at: usize| columns.get(at).cloned().unwrap_or_else(|| format!("number {at}"));
        return (0..c.min(FIGURES_MAX)).map(name).collect();
    }
    let part = |at: usize| format!("part {},{}", at / PARTS + 1, at % PARTS + 1);
    let colours = (0..c).filter(|_| c > 1).map(|channel| format!("channel {}", channel + 1));
    let whole = crate::clean::outliers::PICTURE_FIGURES.map(str::to_owned);
    whole.into_iter().chain((0..PARTS * PARTS).map(part)).chain(colours).collect()
}

/// A figure of the items that the model was measured on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Figure {
    name: String,
    /// Where the bins after the first begin, rising.
    edges: Vec<f32>,
    /// Items in each bin: one more than edges.
    counts: Vec<u64>,
}

impl Figure {
    fn of(name: String, mut numbers: Vec<f32>) -> Figure {
        numbers.retain(|number| number.is_finite());
        numbers.sort_unstable_by(f32::total_cmp);
        let quantiles: Vec<f32> =
            (1..BINS).filter_map(|bin| numbers.get(numbers.len() * bin / BINS).copied()).collect();
        let mut edges = Vec::new();
        for same in quantiles.chunk_by(|a, b| a == b) {
            edges.push(same[0]);
            // As frequent as two bins: it has one of its own.
            let next = same[0].next_up();
            edges.extend((same.len() > 1 && next.is_finite()).then_some(next));
        }
        edges.dedup();
        let mut figure = Figure { name, counts: vec![0; edges.len() + 1], edges };
        for number in numbers {
            let bin = figure.bin(number);
            figure.counts[usize::from(bin)] += 1;
        }
        figure
    }

    fn bin(&self, number: f32) -> u8 {
        // At most two edges a quantile: far below 256.
        self.edges.partition_point(|edge| *edge <= number) as u8
    }
}

/// The items that a model was measured on, as its file keeps them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    figures: Vec<Figure>,
    /// By class: how often it was predicted.
    classes: Vec<u64>,
}

/// An item as a profile sees it: the bin of each figure, and the class that was predicted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binned {
    bins: Vec<u8>,
    class: usize,
}

/// Items of late, counted into the bins of a profile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recent {
    counts: Vec<Vec<u64>>,
    classes: Vec<u64>,
}

impl Profile {
    /// How these items are spread: each its figures, and the class that was predicted for it, below `classes`.
    ///
    /// # Panics
    /// When an item has fewer figures than there are names, or a class is not below `classes`.
    pub fn of<'a>(
        names: Vec<String>,
        items: impl Iterator<Item = (&'a [f32], usize)> + Clone,
        classes: usize,
    ) -> Profile {
        let column = |at: usize| items.clone().map(|(figures, _)| figures[at]).collect();
        let named = names.into_iter().enumerate();
        let figures = named.map(|(at, name)| Figure::of(name, column(at))).collect();
        let mut predicted = vec![0; classes];
        items.for_each(|(_, class)| predicted[class] += 1);
        Profile { figures, classes: predicted }
    }

    /// Proves that a profile of a file is one that could have been made here, for a model of so many classes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, classes: usize) -> Result<(), String> {
        let is_rising = |edges: &[f32]| edges.is_sorted_by(|a, b| a < b);
        let is_good = |figure: &Figure| {
            figure.edges.len() < 2 * BINS
                && figure.counts.len() == figure.edges.len() + 1
                && is_rising(&figure.edges)
                && figure.counts.iter().all(|&count| count < 1 << 40)
        };
        if self.figures.len() > FIGURES_MAX || !self.figures.iter().all(is_good) {
            return Err("its figures have bins that do not fit together".into());
        }
        if self.classes.len() != classes || self.classes.iter().any(|&count| count >= 1 << 40) {
            return Err(format!("it counts {} classes of {classes}", self.classes.len()));
        }
        Ok(())
    }

    /// An item in the bins of this profile; a figure that it has not lies in the first.
    pub fn binned(&self, values: &Values, class: usize) -> Binned {
        let numbers = figures(values);
        let bin = |(at, figure): (usize, &Figure)| {
            figure.bin(numbers.get(at).copied().unwrap_or(f32::NEG_INFINITY))
        };
        Binned { bins: self.figures.iter().enumerate().map(bin).collect(), class }
    }

    /// No items yet.
    pub fn recent(&self) -> Recent {
        let counts = self.figures.iter().map(|figure| vec![0; figure.counts.len()]).collect();
        Recent { counts, classes: vec![0; self.classes.len()] }
    }

    /// Sets items of late beside those that the model was measured on.
    pub fn compare(&self, recent: &Recent, limits: DriftLimits) -> Drift {
        let both = self.figures.iter().zip(&recent.counts);
        let figure = |(figure, now): (&Figure, &Vec<u64>)| {
            let (psi, ks) = (psi(&figure.counts, now), ks(&figure.counts, now));
            let chance = Chance::of(&figure.counts, now);
            let has_drifted = psi > limits.psi.max(chance.psi) || ks > limits.ks.max(chance.ks);
            FigureDrift { name: figure.name.clone(), psi, ks, has_drifted }
        };
        let figures: Vec<FigureDrift> = both.map(figure).collect();
        let psi = psi(&self.classes, &recent.classes);
        let chance = Chance::of(&self.classes, &recent.classes);
        let rates = |counts: &[u64]| -> Vec<f64> {
            let all = counts.iter().sum::<u64>().max(1) as f64;
            counts.iter().map(|&count| count as f64 / all).collect()
        };
        Drift {
            items: recent.items(),
            figures,
            classes: ClassDrift {
                then: rates(&self.classes),
                now: rates(&recent.classes),
                psi,
                has_drifted: psi > limits.psi.max(chance.psi),
            },
        }
    }
}

impl Recent {
    /// Counts an item.
    pub fn add(&mut self, item: &Binned) {
        for (counts, &bin) in self.counts.iter_mut().zip(&item.bins) {
            if let Some(count) = counts.get_mut(usize::from(bin)) {
                *count += 1;
            }
        }
        if let Some(count) = self.classes.get_mut(item.class) {
            *count += 1;
        }
    }

    /// How many items were counted.
    pub fn items(&self) -> u64 {
        self.classes.iter().sum()
    }
}

/// Beyond what something has drifted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DriftLimits {
    /// The population stability index of a figure or of the classes.
    pub psi: f64,
    /// The Kolmogorov-Smirnov statistic of a figure.
    pub ks: f64,
}

impl Default for DriftLimits {
    fn default() -> Self {
        DriftLimits { psi: 0.25, ks: 0.2 }
    }
}

/// Items of late beside those that the model was measured on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Drift {
    /// Items of late.
    pub items: u64,
    /// By figure.
    pub figures: Vec<FigureDrift>,
    /// The classes that are predicted.
    pub classes: ClassDrift,
}

/// A figure of late.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FigureDrift {
    /// What it is called.
    pub name: String,
    /// The population stability index.
    pub psi: f64,
    /// The Kolmogorov-Smirnov statistic, at least.
    pub ks: f64,
    /// True beyond the limits, and beyond chance.
    pub has_drifted: bool,
}

/// The classes of late.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ClassDrift {
    /// By class the share of the items that the model was measured on for which it was predicted.
    pub then: Vec<f64>,
    /// The same of late.
    pub now: Vec<f64>,
    /// The population stability index of the two.
    pub psi: f64,
    /// True beyond the limit, and beyond chance.
    pub has_drifted: bool,
}

impl Drift {
    /// True when some figure or the classes have drifted.
    pub fn has_drifted(&self) -> bool {
        self.classes.has_drifted || self.figures.iter().any(|figure| figure.has_drifted)
    }

    /// The figure that has drifted most.
    pub fn worst(&self) -> Option<&FigureDrift> {
        self.figures.iter().max_by(|a, b| a.psi.total_cmp(&b.psi))
    }

    /// The class whose share has changed most.
    pub fn worst_class(&self) -> Option<usize> {
        let ClassDrift { then, now, .. } = &self.classes;
        let change = |class: &usize| (now[*class] - then[*class]).abs();
        (0..then.len().min(now.len())).max_by(|a, b| change(a).total_cmp(&change(b)))
    }
}

/// In a sentence: what has drifted, or that nothing has.
impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.items;
        if !self.has_drifted() {
            return write!(f, "the last {items} predictions look like those it was measured on");
        }
        write!(f, "of the last {items} predictions")?;
        let drifted = self.figures.iter().filter(|figure| figure.has_drifted);
        let mut worst: Vec<&FigureDrift> = drifted.collect();
        worst.sort_by(|a, b| b.psi.total_cmp(&a.psi));
        if !worst.is_empty() {
            let named = worst.iter().take(NAMED_MAX);
            let named = named.map(|FigureDrift { name, psi, ks, .. }| {
                format!("{name} (PSI {psi:.2}, KS {ks:.2})")
            });
            let named: Vec<String> = named.collect();
            let (count, all) = (worst.len(), self.figures.len());
            write!(f, " {count} of {all} figures have shifted, most {}", named.join(", "))?;
        }
        let Some(class) = self.worst_class().filter(|_| self.classes.has_drifted) else {
            return Ok(());
        };
        let (then, now) = (self.classes.then[class], self.classes.now[class]);
        let separator = if worst.is_empty() { "" } else { ";" };
        let (then, now, psi) = (100.0 * then, 100.0 * now, self.classes.psi);
        write!(f, "{separator} class {class} is {now:.1} % instead of {then:.1} % (PSI {psi:.2})")
    }
}

/// What chance alone makes of two samples of the same kind, but for once in some 30,000 times.
struct Chance {
    psi: f64,
    ks: f64,
}

impl Chance {
    /// The index times `nm / (n + m)` is about as chi squared with one degree of freedom less than bins (B. Yurdakul, *Statistical
    /// Properties of Population Stability Index*, 2018), whose quantile is that of Wilson and Hilferty.
    fn of(then: &[u64], now: &[u64]) -> Chance {
        let [n, m] = [then, now].map(|counts| counts.iter().sum::<u64>().max(1) as f64);
        let rarity = 1.0 / n + 1.0 / m;
        let freedom = then.len().saturating_sub(1).max(1) as f64;
        let share = 2.0 / (9.0 * freedom);
        let chi_squared = freedom * (1.0 - share + DEVIATIONS * share.sqrt()).powi(3);
        Chance { psi: chi_squared * rarity, ks: KS_FACTOR * rarity.sqrt() }
    }
}

fn psi(then: &[u64], now: &[u64]) -> f64 {
    let shares = |counts: &[u64]| -> Vec<f64> {
        let all = counts.iter().sum::<u64>() as f64 + counts.len() as f64 / 2.0;
        counts.iter().map(|&count| (count as f64 + 0.5) / all).collect()
    };
    let (then, now) = (shares(then), shares(now));
    then.iter().zip(&now).map(|(then, now)| (now - then) * (now / then).ln()).sum()
}

fn ks(then: &[u64], now: &[u64]) -> f64 {
    let [n, m] = [then, now].map(|counts| counts.iter().sum::<u64>().max(1) as f64);
    let (mut below, mut greatest) = ((0, 0), 0.0f64);
    for (then, now) in then.iter().zip(now) {
        below = (below.0 + then, below.1 + now);
        greatest = greatest.max((below.0 as f64 / n - below.1 as f64 / m).abs());
    }
    greatest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, Numbers, Pixels, Source, Split, source::embedded};
    use planaria_random::{Purpose, Stream};

    fn row(numbers: Vec<f32>) -> Values {
        Values::Numbers(Numbers::new((1, 1, numbers.len()), numbers))
    }

    /// Rows of two numbers, and as class whether the first is above a half.
    fn rows(seed: u64, count: u64, shift: f32) -> Vec<(Vec<f32>, usize)> {
        let row = |item: u64| {
            let mut stream = Stream::new(seed, Purpose::Shuffle, 0, item);
            let mut next = || stream.next_below(1 << 20) as f32 / (1 << 20) as f32;
            let numbers = vec![next() + shift, (next() * 3.0).floor()];
            let class = usize::from(numbers[0] > 0.5);
            (numbers, class)
        };
        (0..count).map(row).collect()
    }

    fn profile(items: &[(Vec<f32>, usize)]) -> Profile {
        let items = items.iter().map(|(figures, class)| (&figures[..], *class));
        Profile::of(vec!["a".into(), "b".into()], items, 2)
    }

    fn compared(profile: &Profile, items: &[(Vec<f32>, usize)]) -> Drift {
        let mut recent = profile.recent();
        for (numbers, class) in items {
            recent.add(&profile.binned(&row(numbers.clone()), *class));
        }
        profile.compare(&recent, DriftLimits::default())
    }

    #[test]
    fn two_samples_of_the_same_kind_never_drift_and_a_shifted_one_does() {
        let profile = profile(&rows(0, 4_000, 0.0));
        for seed in 1..=40 {
            for count in [50, 200, 1_000] {
                let drift = compared(&profile, &rows(seed, count, 0.0));
                assert!(!drift.has_drifted(), "seed {seed}, {count} items: {drift:?}");
            }
        }
        let drift = compared(&profile, &rows(1, 500, 0.3));
        assert_eq!(drift.worst().map(|figure| figure.name.as_str()), Some("a"), "{drift:?}");
        let [a, b] = &drift.figures[..] else { panic!("two figures: {drift:?}") };
        assert!(a.has_drifted && !b.has_drifted && drift.classes.has_drifted, "{drift:?}");
        assert!((a.ks - 0.3).abs() < 0.06, "uniform numbers moved by 0.3: {}", a.ks);
        assert_eq!(drift.items, 500);
    }

    #[test]
    fn psi_and_ks_are_those_computed_by_hand() {
        // Shares of (30.5, 10.5, 60.5) / 101.5 and (10.5, 10.5, 30.5) / 51.5.
        let by_hand: f64 = [(30.5f64, 10.5f64), (10.5, 10.5), (60.5, 30.5)]
            .map(|(p, q)| (q / 51.5 - p / 101.5) * ((q / 51.5) / (p / 101.5)).ln())
            .iter()
            .sum();
        assert!((psi(&[30, 10, 60], &[10, 10, 30]) - by_hand).abs() < 1e-12);
        assert!((ks(&[30, 10, 60], &[10, 10, 30]) - 0.1).abs() < 1e-12, "0.3 - 0.2");
        assert_eq!((psi(&[5, 5], &[5, 5]), ks(&[5, 5], &[7, 7])), (0.0, 0.0));
    }

    #[test]
    fn a_column_of_one_number_drifts_when_another_comes() {
        let constant = |number: f32, count| vec![(vec![number, 0.0], 0); count];
        let profile = profile(&constant(7.0, 1_000));
        assert!(!compared(&profile, &constant(7.0, 200)).has_drifted());
        for other in [7.5, -1.0] {
            assert!(compared(&profile, &constant(other, 200)).has_drifted(), "{other}");
        }
    }

    #[test]
    fn digits_that_are_turned_or_inverted_drift_and_other_digits_do_not() {
        let mnist = embedded::mnist().expect("it is inside");
        let digit = |split, index| {
            let raw = mnist.read(split, index).expect("it is there");
            let pixels = mnist.codec().decode(&raw.bytes, &Limits::default()).expect("a digit");
            (pixels, usize::from(raw.label))
        };
        let names = figure_names(mnist.shape(), false, &[]);
        let measured: Vec<(Vec<f32>, usize)> = (0..4_000)
            .map(|index| digit(Split::Train, index))
            .map(|(pixels, label)| (figures(&pixels.into()), label))
            .collect();
        assert_eq!(measured[0].0.len(), names.len());
        let measured = measured.iter().map(|(figures, label)| (&figures[..], *label));
        let profile = Profile::of(names, measured, 10);
        profile.check(10).expect("it fits together");
        let drift = |change: &dyn Fn(Pixels) -> Pixels| {
            let mut recent = profile.recent();
            for index in 0..1_000 {
                let (pixels, label) = digit(Split::Test, index);
                recent.add(&profile.binned(&change(pixels).into(), label));
            }
            profile.compare(&recent, DriftLimits::default())
        };
        let same = drift(&|pixels| pixels);
        assert!(!same.has_drifted(), "{same:?}");
        let turned = drift(&|pixels| {
            let turned = (0..28 * 28).map(|at| pixels.data[at % 28 * 28 + 27 - at / 28]);
            Pixels::new(28, 28, 1, turned.collect())
        });
        let brightness = &turned.figures[0];
        assert!(
            turned.has_drifted() && !brightness.has_drifted,
            "only where the ink is: {turned:?}"
        );
        let inverted =
            drift(&|pixels| Pixels::new(28, 28, 1, pixels.data.iter().map(|b| 255 - b).collect()));
        assert!(inverted.figures[0].has_drifted && inverted.figures[0].ks > 0.9, "{inverted:?}");
    }

    #[test]
    fn a_profile_that_does_not_fit_together_is_refused() {
        let good = profile(&rows(0, 100, 0.0));
        let changed = |change: &dyn Fn(&mut Profile)| {
            let mut profile = good.clone();
            change(&mut profile);
            profile.check(2)
        };
        assert_eq!(changed(&|_| ()), Ok(()));
        assert!(changed(&|profile| profile.figures[0].edges.reverse()).is_err());
        assert!(changed(&|profile| profile.figures[1].counts.clear()).is_err());
        assert!(changed(&|profile| profile.figures[0].edges[0] = f32::NAN).is_err());
        assert!(changed(&|profile| profile.classes.push(1)).is_err());
    }
}
