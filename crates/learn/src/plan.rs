//! Steps in their order, and the memory of what flows between them.
//!
//! Steps are cut into segments. Within a segment either every sample goes through all steps before
//! the next one does, so that its images stay in the cache, or every step takes all samples at
//! once. A value that is made and used up within one segment of the first kind needs room for one
//! sample only.

use crate::builder::Builder;
use crate::layer::join::Join;
use crate::layer::step::{InPlace, Layer, Memory, Rows};
use std::ops::Range;

/// One step of a pass.
#[derive(Debug)]
pub(crate) struct PlannedStep {
    pub(crate) work: Work,
    /// The value that it reads.
    pub(crate) x: usize,
    /// The value that it writes; the same for a step in place.
    pub(crate) y: usize,
    /// Its piece of own memory: steps of one layer may share one.
    pub(crate) own: usize,
    /// The numbers of its tensors.
    pub(crate) tensors: Range<usize>,
    /// It begins when all samples have passed the step before.
    pub(crate) barrier: bool,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Work {
    /// Makes a value of another.
    Map(Box<dyn Layer>),
    /// Changes a value.
    InPlace(Box<dyn InPlace>),
    /// Puts a value into another.
    Join(Join),
}

impl PlannedStep {
    /// What it needs for passes over at most `batch` samples.
    pub(crate) fn memory(&self, batch: usize) -> Memory {
        match &self.work {
            Work::Map(layer) => layer.memory(batch),
            Work::InPlace(layer) => layer.memory(),
            Work::Join(_) => Memory::default(),
        }
    }

    /// How many samples it wants at once.
    pub(crate) fn rows(&self) -> Rows {
        match &self.work {
            Work::Map(layer) => layer.rows(),
            Work::InPlace(_) | Work::Join(_) => Rows::Any,
        }
    }
}

/// Steps that run together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) steps: Range<usize>,
    /// Every step takes all samples at once.
    pub(crate) whole_shard: bool,
}

/// A value: what a step wrote, or its gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotPlan {
    /// Numbers a sample.
    pub(crate) len: usize,
    /// Every sample has its own row; else all share one.
    pub(crate) row_per_sample: bool,
    /// The piece of memory that it lies in: values that are never alive together share one.
    pub(crate) buffer: usize,
}

/// Everything that a pass follows.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<PlannedStep>,
    pub(crate) segments: Vec<Segment>,
    /// The values.
    pub(crate) slots: Vec<SlotPlan>,
    /// Their gradients; those of values that depend on no parameter are never computed.
    pub(crate) gradients: Vec<SlotPlan>,
    /// Which values depend on a parameter.
    pub(crate) moves: Vec<bool>,
    /// For every step: whether a later one has written the gradient of its `x` already, so that it
    /// adds to it.
    pub(crate) adds: Vec<bool>,
    /// The value that the net gives.
    pub(crate) output: usize,
}

impl Plan {
    /// Plans the passes of a net. `training`: with the way back.
    pub(crate) fn new(builder: &mut Builder) -> Plan {
        let training = builder.training();
        let (steps, output) = (std::mem::take(&mut builder.steps), builder.output());
        let segments = segments(&steps);
        let spans = spans(&segments, &steps, builder.lens.len(), output);
        let slot = |(slot, &len): (usize, &usize)| {
            let kept = training && is_read_again(&steps, slot);
            SlotPlan { len, row_per_sample: kept || spans[slot].needs_rows, buffer: slot }
        };
        let slots: Vec<SlotPlan> = builder.lens.iter().enumerate().map(slot).collect();
        let gradient = |(slot, &len): (usize, &usize)| SlotPlan {
            len,
            row_per_sample: spans[slot].needs_rows,
            buffer: slot,
        };
        let mut gradients: Vec<SlotPlan> = builder.lens.iter().enumerate().map(gradient).collect();
        share_buffers(&mut gradients, &spans);
        let mut moves = vec![false; slots.len()];
        for step in &steps {
            moves[step.y] |= moves[step.x] || !step.tensors.is_empty();
        }
        let adds = adds(&steps, slots.len());
        Plan { steps, segments, slots, gradients, moves, adds, output }
    }
}

/// Where a value is alive.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// The first and the last segment that touch it.
    first: usize,
    last: usize,
    /// It lives in more than one segment, or in one that takes all samples at once.
    needs_rows: bool,
}

/// Cuts the steps: at every barrier, and where the number of samples at once changes.
fn segments(steps: &[PlannedStep]) -> Vec<Segment> {
    let decided = |step: &PlannedStep| match step.rows() {
        Rows::One => Some(false),
        Rows::All => Some(true),
        Rows::Any => None,
    };
    let mut whole_shard = steps.iter().find_map(decided).unwrap_or(false);
    let mut segments: Vec<Segment> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let wanted = decided(step).unwrap_or(whole_shard);
        match segments.last_mut() {
            Some(segment) if wanted == whole_shard && !step.barrier => segment.steps.end += 1,
            _ => segments.push(Segment { steps: number..number + 1, whole_shard: wanted }),
        }
        whole_shard = wanted;
    }
    segments
}

/// Where each value is alive. The output is read behind the last step.
fn spans(segments: &[Segment], steps: &[PlannedStep], slots: usize, output: usize) -> Vec<Span> {
    let mut spans = vec![Span { first: usize::MAX, last: 0, needs_rows: false }; slots];
    for (number, segment) in segments.iter().enumerate() {
        for step in &steps[segment.steps.clone()] {
            for slot in [step.x, step.y] {
                let span = &mut spans[slot];
                (span.first, span.last) = (span.first.min(number), number);
                span.needs_rows |= segment.whole_shard || span.first < number;
            }
        }
    }
    spans[output].needs_rows = true;
    spans[output].last = segments.len();
    spans
}

/// True when a step's way back reads the value.
fn is_read_again(steps: &[PlannedStep], slot: usize) -> bool {
    steps.iter().any(|step| match &step.work {
        Work::Map(layer) => step.x == slot && layer.reads_input_again(),
        Work::InPlace(layer) => step.y == slot && layer.reads_output_again(),
        Work::Join(_) => false,
    })
}

/// Gives values that are never alive together one piece of memory: each takes the first that is
/// free again.
fn share_buffers(slots: &mut [SlotPlan], spans: &[Span]) {
    // The last segment, on the way back the first, of each buffer's latest value.
    let mut busy_down_to: Vec<usize> = Vec::new();
    let mut order: Vec<usize> = (0..slots.len()).collect();
    // On the way back values come to life from the last to the first.
    order.sort_by_key(|&slot| (usize::MAX - spans[slot].last, slot));
    for slot in order {
        let free = busy_down_to.iter().position(|&first| first > spans[slot].last);
        let buffer = free.unwrap_or(busy_down_to.len());
        if buffer == busy_down_to.len() {
            busy_down_to.push(usize::MAX);
        }
        busy_down_to[buffer] = spans[slot].first;
        slots[slot].buffer = buffer;
    }
}

/// Which steps find a gradient of their `x` already there, on the way back.
fn adds(steps: &[PlannedStep], slots: usize) -> Vec<bool> {
    let mut written = vec![false; slots];
    let mut adds = vec![false; steps.len()];
    for (number, step) in steps.iter().enumerate().rev() {
        if step.x != step.y {
            adds[number] = std::mem::replace(&mut written[step.x], true);
        }
    }
    adds
}
