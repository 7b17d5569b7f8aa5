//! From a training's state to its file: one checkpoint at a time, in their order, while the training goes on.
//!
//! A checkpoint of step `s` holds what the evaluations of the versions up to `s` have said, and no later one: it waits for
//! them. So it is the same however far training and evaluation are apart. Ordinals: the number of the checkpoint, from 0.

use super::{evaluation::Judged, id};
use crate::{
    checkpoint::{Keeping, Snapshot, Written},
    kinds::StageKind,
    plan::Plan,
};
use planaria_kernel::{Intake, ItemId};
use std::{collections::VecDeque, path::PathBuf, sync::Arc};

/// Checkpoints that may wait to be written; with more, training waits.
const WAITING_MAX: usize = 2;

/// A state on its way to the disk.
struct Waiting {
    snapshot: Arc<Snapshot>,
    /// What the evaluations up to it have said, once all have.
    judged: Option<Arc<Judged>>,
}

/// Checkpoints on their way, and the files of those that are written.
pub(crate) struct Checkpoints {
    keep: usize,
    /// The first of them is being written once its item is accepted.
    waiting: VecDeque<Waiting>,
    is_accepted: bool,
    /// Checkpoints written so far: the number of the current one.
    number: u64,
    /// Their files that are kept, oldest first, with their steps.
    files: VecDeque<(u64, PathBuf)>,
}

impl Checkpoints {
    /// None yet, or those that an earlier process has left, oldest first.
    pub(crate) fn new(plan: &Plan, files: VecDeque<(u64, PathBuf)>) -> Self {
        let keep = plan.settings.checkpoint.keep;
        Checkpoints { keep, waiting: VecDeque::new(), is_accepted: false, number: 0, files }
    }

    /// True while another step may be trained.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The newest one that is whole on the disk: its step and its file.
    pub(crate) fn newest(&self) -> Option<&(u64, PathBuf)> {
        self.files.back()
    }

    /// What can be gone on from when the training has failed.
    pub(crate) fn advice(&self) -> String {
        match self.newest() {
            Some((step, file)) => {
                format!("the last good checkpoint is {} (step {step})", file.display())
            }
            None => "there is no checkpoint".to_owned(),
        }
    }

    pub(crate) fn request(&mut self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        self.waiting.push_back(Waiting { snapshot, judged: None });
    }

    /// Notes what the evaluations have said of the versions up to a waiting checkpoint, as soon as the last of them has, and
    /// begins the next one that is complete. `judged` gives it for a step when no evaluation up to it is on its way.
    pub(crate) fn advance(
        &mut self,
        judged: impl Fn(u64) -> Option<Judged>,
        intake: &mut Intake<'_>,
    ) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.judged.is_none()) {
            waiting.judged = judged(waiting.snapshot.step).map(Arc::new);
        }
        let is_complete = self.waiting.front().is_some_and(|first| first.judged.is_some());
        if is_complete && !self.is_accepted {
            self.is_accepted = true;
            intake.accept(id(StageKind::Checkpoint), ItemId(self.number));
        }
    }

    pub(crate) fn task(&self) -> Keeping {
        let first = self.waiting.front().expect("an item of checkpoint is the first that waits");
        let judged = first.judged.clone().expect("only a complete one is accepted");
        // One more than is kept is on the disk for a moment: never one fewer.
        let surplus = (self.files.len() + 1).saturating_sub(self.keep);
        let surplus = if self.keep == 0 { 0 } else { surplus };
        let retired = self.files.iter().take(surplus).map(|(_, file)| file.clone()).collect();
        Keeping { snapshot: first.snapshot.clone(), judged, retired }
    }

    /// The current one is whole on the disk.
    pub(crate) fn written(&mut self, written: Written) {
        let first = self.waiting.pop_front().expect("a checkpoint is written once");
        self.is_accepted = false;
        self.number += 1;
        self.files.retain(|(_, file)| *file != written.file);
        self.files.push_back((first.snapshot.step, written.file));
        while self.keep > 0 && self.files.len() > self.keep {
            self.files.pop_front();
        }
    }
}
