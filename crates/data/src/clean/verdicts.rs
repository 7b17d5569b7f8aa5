//! Which items stay: a pure function of what has been seen, whoever saw it in whatever order.
//!
//! Reasons are tried in the order of [`Reason`]; who is set aside for one is not looked at for the next. Test items are never
//! set aside for a training item: what is measured on stays what everybody measures on, and the training item goes.

use super::{
    Action, CleanError, CleanSettings, FarOut, Fences, Missing, Relabelled, Sought, Survey,
    outliers::PICTURE_FIGURES,
    report::{ClassBalance, Cleaning, CleaningCounts, SetAside},
    survey::{Noted, State},
};
use crate::{
    Source, Split,
    inspect::{
        card::SplitName,
        twins::{Alikes, Shade},
    },
    ranks::{Exact, Ranks},
};
use serde::{Deserialize, Serialize};

/// Why an item is set aside, in the order in which it is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It cannot be read, decoded, or brought to the shape.
    Unreadable,
    /// Numbers of its row are missing.
    Missing,
    /// It is of one colour.
    Blank,
    /// An equal one of the split has another label.
    Conflict,
    /// It is a training item, and equal to a test item.
    Leak,
    /// It is equal to one of the split with a lower number.
    Duplicate,
    /// It is a training item, and looks like a test item.
    AlikeLeak,
    /// It looks like one of the split with a lower number.
    Alike,
    /// It lies far out.
    Outlier,
}

impl Reason {
    /// All of them, in their order.
    pub const ALL: [Reason; 9] = [
        Reason::Unreadable,
        Reason::Missing,
        Reason::Blank,
        Reason::Conflict,
        Reason::Leak,
        Reason::Duplicate,
        Reason::AlikeLeak,
        Reason::Alike,
        Reason::Outlier,
    ];

    /// What items of it are, in words for a person.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Unreadable => "unreadable",
            Reason::Missing => "with missing numbers",
            Reason::Blank => "blank",
            Reason::Conflict => "of conflicting labels",
            Reason::Leak => "leaked from the test items",
            Reason::Duplicate => "duplicates",
            Reason::AlikeLeak => "like a test item",
            Reason::Alike => "alike",
            Reason::Outlier => "far out",
        }
    }
}

/// An item that is set aside, in 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Removed {
    place: u32,
    reason: Reason,
    /// The one that stays instead.
    twin: Option<u32>,
}

/// What becomes of each item.
pub struct Verdicts<'a> {
    survey: Survey<'a>,
    counts: CleaningCounts,
    /// By place in the survey's items, which are sorted: training items first.
    stays: Vec<bool>,
    removed: Vec<Removed>,
}

/// Items that are set aside and told one by one.
const LISTED_MAX: usize = 10_000;

impl<'a> Verdicts<'a> {
    /// Judges every item of a survey that is complete, but for those that lie far out.
    pub fn of(
        mut survey: Survey<'a>,
        settings: &CleanSettings,
        labels: Option<&Relabelled>,
    ) -> Self {
        survey.noted.sort_unstable_by_key(|noted| (noted.split, noted.index));
        if let Some(labels) = labels {
            survey.noted.iter_mut().for_each(|noted| noted.label = labels.class(noted.label));
        }
        let stays = vec![true; survey.noted.len()];
        let counts = CleaningCounts::default();
        let mut verdicts = Verdicts { survey, counts, stays, removed: Vec::new() };
        verdicts.judge_alone(settings);
        let is_twin = verdicts.judge_equals(settings);
        if settings.alike != Sought::Off {
            verdicts.judge_alikes(settings, &is_twin);
        }
        verdicts
    }

    /// The quartiles of the brightness and the contrast of the training pictures that stay.
    pub fn quartiles_of_pictures(&self) -> Vec<Exact> {
        let train = || self.staying().filter(|noted| noted.split == Split::Train);
        let quartiles = |figure: usize| {
            let mut ranks = Ranks::default();
            train().for_each(|noted| ranks.add(noted.figures[figure]));
            let mut exact = ranks.quartiles();
            train().for_each(|noted| exact.add(noted.figures[figure]));
            exact
        };
        (0..PICTURE_FIGURES.len()).map(quartiles).collect()
    }

    /// The pictures that stay and lie far out.
    pub fn far_pictures(&self, fences: &Fences) -> Vec<FarOut> {
        let far = self.staying().filter_map(|&Noted { split, index, figures, .. }| {
            let (place, number) = fences.beyond(figures.into_iter())?;
            Some(FarOut { split, index, place, number })
        });
        far.collect()
    }

    /// Takes note of the items that lie far out. Those to learn from are set aside when that is asked for, those to measure on
    /// are only counted: what is measured on stays what everybody measures on.
    pub fn judge_outliers(
        &mut self,
        settings: &CleanSettings,
        fences: &Fences,
        mut far: Vec<FarOut>,
    ) {
        far.sort_unstable_by_key(|far| (far.split, far.index));
        let names = self.survey.figure_names();
        for (number, far) in far.iter().enumerate() {
            let key = |noted: &Noted| (noted.split, noted.index);
            let place = self.survey.noted.binary_search_by_key(&(far.split, far.index), key);
            let place = place.expect("who lies far out was looked at before");
            if number < LISTED_MAX {
                let figure = far.place as usize;
                let name = names.get(figure).cloned().unwrap_or_else(|| format!("number {figure}"));
                let key = (far.split, u64::from(far.index));
                self.survey.causes.insert(key, fences.cause(far, &name));
            }
            let remove = settings.outliers == Sought::Remove && far.split == Split::Train;
            self.found(place, Reason::Outlier, None, remove);
        }
    }

    /// Ends the judging.
    ///
    /// # Errors
    /// [`CleanError::NothingLeft`] when all items of a split are to be set aside.
    pub fn settled(self) -> Result<Self, CleanError> {
        let settled = self.counted();
        settled.check_kept()?;
        Ok(settled)
    }

    /// Ends the judging, whatever is left.
    #[must_use]
    pub fn counted(mut self) -> Self {
        for place in 0..self.stays.len() {
            let stays = self.stays[place];
            let split = self.split_mut(place);
            split.items += 1;
            split.kept += u64::from(stays);
        }
        self.removed.sort_unstable_by_key(|removed| removed.place);
        self
    }

    /// The items that stay so far.
    fn staying(&self) -> impl Iterator<Item = &Noted> {
        let both = self.survey.noted.iter().zip(&self.stays);
        both.filter(|(_, stays)| **stays).map(|(noted, _)| noted)
    }

    /// The items of which one look is enough.
    fn judge_alone(&mut self, settings: &CleanSettings) {
        for place in 0..self.survey.noted.len() {
            let is_removed = |action| action == Action::Remove;
            match self.survey.noted[place].state {
                State::Unreadable => self.found(place, Reason::Unreadable, None, true),
                State::Holes => {
                    let remove = settings.missing == Missing::Remove;
                    self.found(place, Reason::Missing, None, remove);
                }
                State::Blank => {
                    self.found(place, Reason::Blank, None, is_removed(settings.blank));
                }
                State::Sound => {}
            }
        }
    }

    /// The items that are equal to others. Gives for each place whether an equal item stands for it.
    fn judge_equals(&mut self, settings: &CleanSettings) -> Vec<bool> {
        let noted = &self.survey.noted;
        let is_usable = |place: &u32| self.stays[*place as usize];
        let places = (0..noted.len() as u32).filter(is_usable);
        let mut groups: Vec<([u8; 16], u32)> =
            places.map(|place| (noted[place as usize].content, place)).collect();
        groups.sort_unstable();
        let mut is_twin = vec![false; noted.len()];
        for group in groups.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            let places: Vec<u32> = group.iter().map(|(_, place)| *place).collect();
            self.judge_group(settings, &places, &mut is_twin);
        }
        is_twin
    }

    /// Items that are all equal, in their order.
    fn judge_group(&mut self, settings: &CleanSettings, places: &[u32], is_twin: &mut [bool]) {
        let is_train = |place: &&u32| self.survey.noted[**place as usize].split == Split::Train;
        let (train, test) = places.split_at(places.iter().take_while(is_train).count());
        let [train, test] = [train, test].map(<[u32]>::to_vec);
        for half in [&train, &test] {
            let label = |place: &u32| self.survey.noted[*place as usize].label;
            let is_conflict = half.iter().any(|place| label(place) != label(&half[0]));
            for &place in half.iter().filter(|_| is_conflict) {
                let remove = settings.conflicts == Action::Remove;
                let twin = half.iter().copied().find(|other| *other != place);
                self.found(place as usize, Reason::Conflict, twin, remove);
            }
        }
        let staying = |verdicts: &Self, half: &[u32]| -> Vec<u32> {
            half.iter().copied().filter(|place| verdicts.stays[*place as usize]).collect()
        };
        let [train, test] = [train, test].map(|half| staying(self, &half));
        if let Some(&twin) = test.first() {
            for &place in &train {
                is_twin[place as usize] = true;
                let remove = settings.leaks == Action::Remove;
                self.found(place as usize, Reason::Leak, Some(twin), remove);
            }
        }
        for half in [staying(self, &train), test] {
            let Some((&first, others)) = half.split_first() else { continue };
            for &place in others {
                is_twin[place as usize] = true;
                let remove = settings.duplicates == Action::Remove;
                self.found(place as usize, Reason::Duplicate, Some(first), remove);
            }
        }
    }

    /// The pictures that look like others: test items first, so that a training item finds them.
    fn judge_alikes(&mut self, settings: &CleanSettings, is_twin: &[bool]) {
        let looks: Vec<_> = self.survey.noted.iter_mut().map(|noted| noted.look.take()).collect();
        let is_test = |place: &usize| self.survey.noted[*place].split == Split::Test;
        let (test, train): (Vec<usize>, Vec<usize>) = (0..looks.len()).partition(is_test);
        let mut alikes = Alikes::default();
        for place in test.into_iter().chain(train) {
            if !self.stays[place] || is_twin[place] {
                continue;
            }
            let shade = looks[place].as_deref().and_then(|look| Shade::of(place, look));
            let Some(shade) = shade else { continue };
            if let Some(twin) = alikes.most_alike(&shade) {
                let is_leak = self.survey.noted[twin].split != self.survey.noted[place].split;
                let reason = if is_leak { Reason::AlikeLeak } else { Reason::Alike };
                let remove = settings.alike == Sought::Remove
                    && (!is_leak || settings.leaks == Action::Remove);
                self.found(place, reason, Some(twin as u32), remove);
            }
            if self.stays[place] {
                alikes.add(shade);
            }
        }
    }

    fn found(&mut self, place: usize, reason: Reason, twin: Option<u32>, remove: bool) {
        let count = self.split_mut(place).of_mut(reason);
        count.found += 1;
        count.removed += u64::from(remove);
        if remove {
            self.stays[place] = false;
            self.removed.push(Removed { place: place as u32, reason, twin });
        }
    }

    fn split_mut(&mut self, place: usize) -> &mut super::SplitCleaning {
        match self.survey.noted[place].split {
            Split::Train => &mut self.counts.train,
            Split::Test => &mut self.counts.test,
        }
    }

    fn check_kept(&self) -> Result<(), CleanError> {
        for (split, counts) in [(Split::Train, self.counts.train), (Split::Test, self.counts.test)]
        {
            if counts.items > 0 && counts.kept == 0 {
                let most = Reason::ALL.into_iter().max_by_key(|reason| counts.of(*reason).removed);
                let reason = most.map_or("bad", Reason::name);
                return Err(CleanError::NothingLeft { split, items: counts.items, reason });
            }
        }
        Ok(())
    }

    /// The numbers of the items of a split that stay, in their order.
    pub fn kept(&self, split: Split) -> Vec<u32> {
        let kept = self.staying().filter(|noted| noted.split == split);
        kept.map(|noted| noted.index).collect()
    }

    /// By column of a table: rows without its number.
    pub fn holes(&self) -> &[u64] {
        &self.survey.holes
    }

    /// All that is told of the cleaning, but for what fills holes. `names` are those of the classes.
    pub fn report(&self, source: &dyn Source, names: &[String]) -> Cleaning {
        let listed = self.removed.iter().take(LISTED_MAX);
        Cleaning {
            counts: self.counts,
            classes: self.classes(names),
            filled: Vec::new(),
            set_aside: listed.map(|removed| self.set_aside(removed, source)).collect(),
        }
    }

    fn classes(&self, names: &[String]) -> Vec<ClassBalance> {
        let class = |name: &String| ClassBalance { name: name.clone(), train: 0, test: 0 };
        let mut classes: Vec<ClassBalance> = names.iter().map(class).collect();
        for noted in self.staying() {
            if let Some(class) = classes.get_mut(usize::from(noted.label)) {
                match noted.split {
                    Split::Train => class.train += 1,
                    Split::Test => class.test += 1,
                }
            }
        }
        classes
    }

    fn set_aside(&self, removed: &Removed, source: &dyn Source) -> SetAside {
        let noted = &self.survey.noted[removed.place as usize];
        let (split, index) = (noted.split, u64::from(noted.index));
        let name = |noted: &Noted| {
            let index = u64::from(noted.index);
            let named = source.name_of(noted.split, index);
            named.unwrap_or_else(|| format!("{} item {index}", noted.split))
        };
        let twin = removed.twin.map(|twin| name(&self.survey.noted[twin as usize]));
        let twin = twin.unwrap_or_default();
        let cause = match removed.reason {
            Reason::Unreadable => self.cause(split, index),
            Reason::Missing => "numbers of its row are missing".to_owned(),
            Reason::Blank => "it is of one colour".to_owned(),
            Reason::Conflict => {
                format!("it is equal to {twin}, and one of such items has another label")
            }
            Reason::Leak | Reason::Duplicate => format!("it is equal to {twin}"),
            Reason::AlikeLeak | Reason::Alike => format!("it looks like {twin}"),
            Reason::Outlier => self.cause(split, index),
        };
        let reason = removed.reason;
        let name = source.name_of(split, index);
        SetAside { split: SplitName::from(split), index, name, reason, cause }
    }

    fn cause(&self, split: Split, index: u64) -> String {
        let cause: Option<&String> = self.survey.causes.get(&(split, index));
        cause.cloned().unwrap_or_else(|| "it cannot be used".to_owned())
    }
}
