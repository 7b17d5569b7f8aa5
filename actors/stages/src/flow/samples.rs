//! The items of the source on their way to being samples: ingest, decode, preprocess; and the samples themselves.
//!
//! Ordinals: first the held-out items (the test items in the source's order, then those of the training items that are
//! set aside), then the other training items in the first epoch's order, so that training begins with the first batch's
//! items while the others are still being read. Beyond all, in preprocess, comes what puts a new cache in place.

use super::id;
use crate::{
    decode::Raw,
    ingest::Address,
    kinds::StageKind,
    plan::Plan,
    preprocess::{Decoded, Preprocessed},
};
use planaria_data::{RawItem, Split, Values};
use planaria_kernel::{Intake, ItemId};
use planaria_random::Permutation;
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// A preprocessed item.
#[derive(Clone)]
pub(crate) struct Sample {
    /// Of the source's shape, where they are in memory; [`Plan::values`] finds them elsewhere.
    pub(crate) values: Option<Arc<Values>>,
    pub(crate) label: u8,
    pub(crate) address: Address,
    /// Its place among all items.
    pub(crate) ordinal: u64,
}

impl Sample {
    /// What is to be told of its values, when they were not in memory.
    pub(crate) fn recalled(&self, values: Arc<Values>) -> Option<(u64, Arc<Values>)> {
        self.values.is_none().then_some((self.ordinal, values))
    }
}

/// What is known of an item of the source, in two bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark(u16);

impl Mark {
    /// It is on its way.
    const COMING: Mark = Mark(0);
    /// It was given up.
    const LOST: Mark = Mark(1);

    /// It is preprocessed.
    fn here(label: u8) -> Mark {
        Mark(2 + u16::from(label))
    }

    fn label(self) -> Option<u8> {
        u8::try_from(self.0.checked_sub(2)?).ok()
    }
}

/// The values of items that are in memory.
enum Held {
    /// There is room for all; by ordinal.
    All(Vec<Option<Arc<Values>>>),
    /// Only those that wait for their first use, which are bounded as all that is on its way. They are of these ordinals.
    Waiting(BTreeMap<u64, Arc<Values>>, Range<u64>),
}

/// Whether a new cache is to be put in place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// Once all items are there.
    Wanted,
    Accepted,
    Done,
}

/// All items of the source.
pub(crate) struct Samples {
    plan: Arc<Plan>,
    first_order: Permutation,
    admitted: u64,
    /// The mailbox of decode: what lies between ingest and it.
    raw: BTreeMap<u64, Arc<RawItem>>,
    /// The mailbox of preprocess, with the labels.
    decoded: BTreeMap<u64, (Arc<Values>, u8)>,
    /// By ordinal.
    marks: Vec<Mark>,
    held: Held,
    finish: Finish,
    /// How many items are no longer coming.
    settled: u64,
    /// Every ordinal below this is settled.
    settled_below: u64,
}

impl Samples {
    /// None is here yet. Those at the positions `soon` of the first epoch's order are used once as soon as they come.
    pub(crate) fn new(plan: Arc<Plan>, soon: Range<u64>) -> Self {
        let held_out = plan.held_out_items();
        let items = (held_out + plan.train_items) as usize;
        let held = match plan.keeping.in_memory {
            true => Held::All(vec![None; items]),
            false => Held::Waiting(BTreeMap::new(), held_out + soon.start..held_out + soon.end),
        };
        let is_new = plan.cache.as_ref().is_some_and(|cache| !cache.is_finished());
        Samples {
            first_order: plan.shuffle(0),
            admitted: 0,
            raw: BTreeMap::new(),
            decoded: BTreeMap::new(),
            marks: vec![Mark::COMING; items],
            held,
            finish: if is_new { Finish::Wanted } else { Finish::Done },
            settled: 0,
            settled_below: 0,
            plan,
        }
    }

    /// Admits items up to `reach` training items, as far as the mailboxes allow.
    pub(crate) fn advance(&mut self, reach: u64, intake: &mut Intake<'_>) {
        let reach = self.plan.held_out_items().saturating_add(reach);
        let ingest = id(StageKind::Ingest);
        loop {
            // Anew after each round: items that the cache has end at once, and make room in all three stages.
            follow(StageKind::Ingest, StageKind::Decode, intake);
            follow(StageKind::Decode, StageKind::Preprocess, intake);
            let room = intake.oldest_unfinished(ingest).0 + intake.mailbox(ingest);
            let end = self.items().min(room).min(reach);
            if self.admitted >= end {
                break;
            }
            while self.admitted < end {
                self.admit(self.admitted, intake);
                self.admitted += 1;
            }
        }
        if self.finish == Finish::Wanted && self.is_complete() {
            self.finish = Finish::Accepted;
            intake.accept(id(StageKind::Preprocess), ItemId(self.items()));
        }
    }

    /// Lets an item begin its way, unless the cache has it: then it is at its end.
    fn admit(&mut self, ordinal: u64, intake: &mut Intake<'_>) {
        let cached = self.plan.cache.as_ref().filter(|cache| cache.items_before > 0);
        match cached.and_then(|cache| cache.label(self.address(ordinal))) {
            None => intake.accept(id(StageKind::Ingest), ItemId(ordinal)),
            Some(label) => {
                for stage in [StageKind::Ingest, StageKind::Decode, StageKind::Preprocess] {
                    intake.skip(id(stage), ItemId(ordinal));
                }
                self.settle(ordinal, Mark::here(label));
            }
        }
    }

    fn items(&self) -> u64 {
        self.marks.len() as u64
    }

    /// Where an ordinal lies in the source.
    pub(crate) fn address(&self, ordinal: u64) -> Address {
        let plan = &self.plan;
        let Some(number) = ordinal.checked_sub(plan.test_items) else {
            return Address { split: Split::Test, index: ordinal };
        };
        let index = match number.checked_sub(plan.validation_items) {
            None => plan.validation_index(number),
            Some(position) => plan.training_index(self.first_order.item_at(position)),
        };
        Address { split: Split::Train, index }
    }

    /// What an ordinal is called in the source.
    pub(crate) fn name(&self, ordinal: u64) -> Option<String> {
        if ordinal >= self.items() {
            return Some("the cache".to_owned());
        }
        let Address { split, index } = self.address(ordinal);
        self.plan.source.name_of(split, index)
    }

    pub(crate) fn raw(&self, ordinal: u64) -> Raw {
        Raw(self.raw[&ordinal].clone())
    }

    pub(crate) fn decoded(&self, ordinal: u64) -> Decoded {
        if ordinal >= self.items() {
            return Decoded::All;
        }
        let (values, label) = &self.decoded[&ordinal];
        Decoded::Item { values: values.clone(), address: self.address(ordinal), label: *label }
    }

    pub(crate) fn ingested(&mut self, ordinal: u64, raw: RawItem, intake: &mut Intake<'_>) {
        self.raw.insert(ordinal, Arc::new(raw));
        intake.accept(id(StageKind::Decode), ItemId(ordinal));
    }

    pub(crate) fn was_decoded(&mut self, ordinal: u64, values: Values, intake: &mut Intake<'_>) {
        let raw = self.raw.remove(&ordinal).expect("a decoded item was raw until now");
        self.decoded.insert(ordinal, (Arc::new(values), raw.label));
        intake.accept(id(StageKind::Preprocess), ItemId(ordinal));
    }

    pub(crate) fn preprocessed(&mut self, ordinal: u64, preprocessed: Preprocessed) {
        let Preprocessed::Item(values) = preprocessed else {
            self.finish = Finish::Done;
            return;
        };
        let (_, label) = self.decoded.remove(&ordinal).expect("a preprocessed item was decoded");
        match &mut self.held {
            Held::All(all) => all[ordinal as usize] = Some(values),
            Held::Waiting(waiting, soon) if soon.contains(&ordinal) => {
                waiting.insert(ordinal, values);
            }
            Held::Waiting(..) => {}
        }
        self.settle(ordinal, Mark::here(label));
    }

    /// A training item, by its position in the first epoch's order, has been used.
    pub(crate) fn used(&mut self, position: u64) {
        if let Held::Waiting(waiting, _) = &mut self.held {
            waiting.remove(&(self.plan.held_out_items() + position));
        }
    }

    /// Nothing is used any more as soon as it comes.
    pub(crate) fn let_go(&mut self) {
        if let Held::Waiting(waiting, soon) = &mut self.held {
            waiting.clear();
            *soon = 0..0;
        }
    }

    /// A worker had to look for these values: they stay in memory, where there is room.
    pub(crate) fn remember(&mut self, recalled: impl IntoIterator<Item = (u64, Arc<Values>)>) {
        if let Held::All(all) = &mut self.held {
            for (ordinal, values) in recalled {
                all[ordinal as usize].get_or_insert(values);
            }
        }
    }

    /// An item was given up: the stages after must not wait for it.
    pub(crate) fn lost(&mut self, at: StageKind, ordinal: u64, intake: &mut Intake<'_>) {
        if ordinal >= self.items() {
            self.finish = Finish::Done;
            return;
        }
        self.raw.remove(&ordinal);
        self.decoded.remove(&ordinal);
        for later in [StageKind::Decode, StageKind::Preprocess] {
            if at < later {
                intake.skip(id(later), ItemId(ordinal));
            }
        }
        self.settle(ordinal, Mark::LOST);
    }

    /// True once every item of the source is here or lost.
    pub(crate) fn is_complete(&self) -> bool {
        self.settled == self.items()
    }

    /// True once nothing of them is on its way.
    pub(crate) fn is_done(&self) -> bool {
        self.is_complete() && self.finish == Finish::Done
    }

    /// True once every held-out item is here or lost.
    pub(crate) fn held_out_are_complete(&self) -> bool {
        self.settled_below >= self.plan.held_out_items()
    }

    /// How many training items, in the first epoch's order, are here or lost without a gap.
    pub(crate) fn train_settled(&self) -> u64 {
        self.settled_below.saturating_sub(self.plan.held_out_items())
    }

    /// The training item at a position of the first epoch's order; none when it was lost.
    pub(crate) fn train_at(&self, position: u64) -> Option<Sample> {
        self.at(self.plan.held_out_items() + position)
    }

    /// The training items that are here: their positions in the first epoch's order, and their labels. Of a source are at most
    /// 2^32 rows or files.
    pub(crate) fn train_labels(&self) -> impl Iterator<Item = (u32, u8)> {
        let marks = &self.marks[self.plan.held_out_items() as usize..];
        (0..).zip(marks).filter_map(|(position, mark)| Some((position, mark.label()?)))
    }

    /// True when the training item at a position of the first epoch's order is here.
    pub(crate) fn has(&self, position: u64) -> bool {
        self.marks[(self.plan.held_out_items() + position) as usize].label().is_some()
    }

    /// The items of a block of an evaluation that are not lost.
    pub(crate) fn block(&self, block: u64) -> Vec<Sample> {
        let plan = &self.plan;
        let len = plan.settings.evaluate.block as u64;
        let (first, end) = match block.checked_sub(plan.test_blocks()) {
            None => (block * len, plan.test_items),
            Some(block) => (plan.test_items + block * len, plan.held_out_items()),
        };
        (first..end.min(first + len)).filter_map(|ordinal| self.at(ordinal)).collect()
    }

    /// All test items that are not lost.
    pub(crate) fn test(&self) -> Vec<Sample> {
        (0..self.plan.test_items).filter_map(|ordinal| self.at(ordinal)).collect()
    }

    fn at(&self, ordinal: u64) -> Option<Sample> {
        let label = self.marks[ordinal as usize].label()?;
        let values = match &self.held {
            Held::All(all) => all[ordinal as usize].clone(),
            Held::Waiting(waiting, _) => waiting.get(&ordinal).cloned(),
        };
        Some(Sample { values, label, address: self.address(ordinal), ordinal })
    }

    fn settle(&mut self, ordinal: u64, mark: Mark) {
        self.marks[ordinal as usize] = mark;
        self.settled += 1;
        let settled = |mark: &Mark| *mark != Mark::COMING;
        while self.marks.get(self.settled_below as usize).is_some_and(settled) {
            self.settled_below += 1;
        }
    }
}

/// No item of a stage is leased that there is no room for in the next one's mailbox.
fn follow(from: StageKind, to: StageKind, intake: &mut Intake<'_>) {
    let room = intake.oldest_unfinished(id(to)).0 + intake.mailbox(id(to));
    intake.raise_limit(id(from), ItemId(room));
}
