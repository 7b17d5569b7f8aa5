//! The items of the source on their way to being samples: ingest, decode, preprocess; and the samples themselves.
//!
//! Ordinals: first the held-out items (the test items in the source's order, then those of the training items that are
//! set aside), then the other training items in the first epoch's order, so that training begins with the first batch's
//! items while the others are still being read.

use super::id;
use crate::{decode::Raw, ingest::Address, kinds::StageKind, plan::Plan, preprocess::Decoded};
use planaria_data::{RawItem, Split, Values};
use planaria_kernel::{Intake, ItemId};
use planaria_random::Permutation;
use std::{collections::BTreeMap, sync::Arc};

/// A preprocessed item.
pub(crate) struct Sample {
    /// Of the source's shape.
    pub(crate) values: Arc<Values>,
    pub(crate) label: u8,
    /// Its number in its split of the source.
    pub(crate) item: u64,
}

/// What is known of an item of the source.
enum Place {
    /// It is on its way.
    Coming,
    /// It was given up.
    Lost,
    Here(Arc<Sample>),
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
    places: Vec<Place>,
    /// How many places are no longer coming.
    settled: u64,
    /// Every ordinal below this is settled.
    settled_below: u64,
}

impl Samples {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let items = (plan.held_out_items() + plan.train_items) as usize;
        Samples {
            first_order: plan.shuffle(0),
            admitted: 0,
            raw: BTreeMap::new(),
            decoded: BTreeMap::new(),
            places: (0..items).map(|_| Place::Coming).collect(),
            settled: 0,
            settled_below: 0,
            plan,
        }
    }

    /// Admits items up to `reach` training items, as far as the mailboxes allow.
    pub(crate) fn advance(&mut self, reach: u64, intake: &mut Intake<'_>) {
        let follow = |from, to, intake: &mut Intake<'_>| {
            let room = intake.oldest_unfinished(id(to)).0 + intake.mailbox(id(to));
            intake.raise_limit(id(from), ItemId(room));
        };
        follow(StageKind::Ingest, StageKind::Decode, intake);
        follow(StageKind::Decode, StageKind::Preprocess, intake);
        let ingest = id(StageKind::Ingest);
        let room = intake.oldest_unfinished(ingest).0 + intake.mailbox(ingest);
        let reach = self.plan.held_out_items().saturating_add(reach);
        let end = (self.places.len() as u64).min(room).min(reach);
        while self.admitted < end {
            intake.accept(ingest, ItemId(self.admitted));
            self.admitted += 1;
        }
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
        let Address { split, index } = self.address(ordinal);
        self.plan.source.name_of(split, index)
    }

    pub(crate) fn raw(&self, ordinal: u64) -> Raw {
        Raw(self.raw[&ordinal].clone())
    }

    pub(crate) fn decoded(&self, ordinal: u64) -> Decoded {
        Decoded(self.decoded[&ordinal].0.clone())
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

    pub(crate) fn preprocessed(&mut self, ordinal: u64, values: Arc<Values>) {
        let (_, label) = self.decoded.remove(&ordinal).expect("a preprocessed item was decoded");
        let item = self.address(ordinal).index;
        self.settle(ordinal, Place::Here(Arc::new(Sample { values, label, item })));
    }

    /// An item was given up: the stages after must not wait for it.
    pub(crate) fn lost(&mut self, at: StageKind, ordinal: u64, intake: &mut Intake<'_>) {
        self.raw.remove(&ordinal);
        self.decoded.remove(&ordinal);
        for later in [StageKind::Decode, StageKind::Preprocess] {
            if at < later {
                intake.skip(id(later), ItemId(ordinal));
            }
        }
        self.settle(ordinal, Place::Lost);
    }

    /// True once every item of the source is here or lost.
    pub(crate) fn is_complete(&self) -> bool {
        self.settled == self.places.len() as u64
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
    pub(crate) fn train_at(&self, position: u64) -> Option<&Arc<Sample>> {
        self.at(self.plan.held_out_items() + position)
    }

    /// The items of a block of an evaluation that are not lost.
    pub(crate) fn block(&self, block: u64) -> Vec<Arc<Sample>> {
        let plan = &self.plan;
        let len = plan.settings.evaluate.block as u64;
        let (first, end) = match block.checked_sub(plan.test_blocks()) {
            None => (block * len, plan.test_items),
            Some(block) => (plan.test_items + block * len, plan.held_out_items()),
        };
        (first..end.min(first + len)).filter_map(|ordinal| self.at(ordinal).cloned()).collect()
    }

    /// All test items that are not lost.
    pub(crate) fn test(&self) -> Vec<Arc<Sample>> {
        (0..self.plan.test_items).filter_map(|ordinal| self.at(ordinal).cloned()).collect()
    }

    fn at(&self, ordinal: u64) -> Option<&Arc<Sample>> {
        match &self.places[ordinal as usize] {
            Place::Here(sample) => Some(sample),
            Place::Coming | Place::Lost => None,
        }
    }

    fn settle(&mut self, ordinal: u64, place: Place) {
        self.places[ordinal as usize] = place;
        self.settled += 1;
        let settled = |place: &Place| !matches!(place, Place::Coming);
        while self.places.get(self.settled_below as usize).is_some_and(settled) {
            self.settled_below += 1;
        }
    }
}
