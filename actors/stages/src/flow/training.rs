//! From samples to versions of the weights: augment, batch, train.
//!
//! Ordinals: an item of augment is `epoch * usable + position`, of batch the step, of train `step * (G + S + 1) + part`: G
//! gradient shards, then S slices of the update, then the publication.

use super::{
    LossCurve,
    class_order::ClassOrder,
    evaluation::Version,
    id,
    judgement::Decided,
    samples::{Sample, Samples},
};
use crate::{
    augment::Original,
    batch::{Batch, Members, Variant},
    checkpoint::Snapshot,
    kinds::StageKind,
    model::Weights,
    plan::Plan,
    settings::LastBatch,
    train::{GradientShard, GradientTask, TrainOutcome, TrainTask, UpdateTask, UpdatedSlice},
};
use planaria_kernel::{Intake, ItemId, intensity::Ms};
use planaria_learn::ShardGradient;
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// Spare pieces of memory that are kept for the next step, of each kind.
const SPARES_MAX: usize = 64;

/// A step whose batch is being trained.
struct Step {
    /// By gradient shard.
    gradients: Vec<Option<Arc<GradientShard>>>,
    /// By slice.
    updated: Vec<Option<Arc<UpdatedSlice>>>,
}

/// The training's state.
pub(crate) struct Training {
    plan: Arc<Plan>,
    /// Steps that earlier processes have done.
    first_step: u64,
    /// How much of it is decided: nothing of a step after is admitted.
    decided: Decided,
    /// The order of the epochs where classes have shares, once all items are there.
    by_class: Option<ClassOrder>,
    /// The next ordinal of augment to be admitted.
    next_variant: u64,
    /// Variants that wait for their batch; none when the item was lost.
    variants: BTreeMap<u64, Option<Arc<Variant>>>,
    /// How many variants of a step are settled.
    gathered: BTreeMap<u64, u64>,
    batches: BTreeMap<u64, Arc<Batch>>,
    /// Steps done: the version of `parameters`.
    step: u64,
    current: Option<Step>,
    parameters: Arc<Vec<f32>>,
    slices: Vec<Arc<UpdatedSlice>>,
    spare_gradients: Vec<ShardGradient>,
    spare_slices: Vec<UpdatedSlice>,
    spare_parameters: Vec<Vec<f32>>,
    loss: Option<f64>,
    losses: LossCurve,
    /// The step that is not published.
    diverged_at: Option<u64>,
    began: Option<Ms>,
    last: Ms,
}

/// What follows from a published version.
#[derive(Default)]
pub(crate) struct Published {
    /// To be evaluated.
    pub(crate) version: Option<Version>,
    /// To be kept.
    pub(crate) snapshot: Option<Snapshot>,
}

/// How far the training is.
pub(crate) struct TrainingProgress {
    pub(crate) step: u64,
    /// Of them, those that earlier processes have done.
    pub(crate) first_step: u64,
    pub(crate) loss: Option<f64>,
    /// Since the first step began, up to the last one's end.
    pub(crate) milliseconds: Ms,
}

impl Training {
    /// The state before the first step.
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let parameters = plan.initial_parameters();
        let planes = vec![vec![0.0; parameters.len()]; plan.state_planes()];
        let losses = LossCurve::new(plan.steps());
        Training::resumed(plan, 0, parameters, &planes, losses)
    }

    /// The state after `step` steps: `planes` are what the optimiser remembers, each of all parameters.
    pub(crate) fn resumed(
        plan: Arc<Plan>,
        step: u64,
        parameters: Vec<f32>,
        planes: &[Vec<f32>],
        losses: LossCurve,
    ) -> Self {
        let slices = (0..plan.settings.train.update_slices).map(|slice| {
            let range = slice_range(&plan, slice);
            let state = planes.iter().flat_map(|plane| &plane[range.clone()]).copied().collect();
            Arc::new(UpdatedSlice { state, ..UpdatedSlice::default() })
        });
        Training {
            slices: slices.collect(),
            first_step: step,
            decided: Decided { steps: step, is_all: false },
            by_class: None,
            next_variant: step * plan.batch(),
            variants: BTreeMap::new(),
            gathered: BTreeMap::new(),
            batches: BTreeMap::new(),
            step,
            current: None,
            parameters: Arc::new(parameters),
            spare_gradients: Vec::new(),
            spare_slices: Vec::new(),
            spare_parameters: Vec::new(),
            loss: None,
            losses,
            diverged_at: None,
            began: None,
            last: 0,
            plan,
        }
    }

    /// Lets the stages begin where earlier processes have ended.
    pub(crate) fn begin(&self, intake: &mut Intake<'_>) {
        let firsts = [
            (StageKind::Augment, self.next_variant),
            (StageKind::Batch, self.step),
            (StageKind::Train, self.step * self.parts()),
        ];
        for (kind, first) in firsts {
            intake.begin_at(id(kind), ItemId(first));
        }
    }

    /// The positions of the first epoch's order that are still to be trained on in that order.
    pub(crate) fn first_positions(&self) -> Range<u64> {
        let usable = (self.plan.steps_per_epoch * self.plan.batch()).min(self.plan.train_items);
        match self.plan.settings.train.sampling.classes {
            None => self.next_variant.min(usable)..usable,
            Some(_) => 0..0,
        }
    }

    /// The newest version.
    pub(crate) fn version(&self) -> Version {
        Version { step: self.step, weights: Weights::new(self.to_deploy()) }
    }

    /// The step, from 1, whose version is not finite.
    pub(crate) fn diverged_at(&self) -> Option<u64> {
        self.diverged_at
    }

    /// The curve of the losses so far.
    pub(crate) fn losses(&self) -> &LossCurve {
        &self.losses
    }

    pub(crate) fn progress(&self) -> TrainingProgress {
        let milliseconds = self.began.map_or(0, |began| self.last.saturating_sub(began));
        let (step, first_step) = (self.step, self.first_step);
        TrainingProgress { step, first_step, loss: self.loss, milliseconds }
    }

    /// What the evaluations so far have decided.
    pub(crate) fn decide(&mut self, decided: Decided) {
        self.decided = decided;
    }

    pub(crate) fn is_done(&self) -> bool {
        self.decided.is_all && self.step == self.decided.steps
    }

    /// How many training items, in the first epoch's order, may be on their way: the bound on the stages before.
    pub(crate) fn reach(&self, intake: &Intake<'_>) -> u64 {
        if self.is_done() || self.plan.settings.train.sampling.classes.is_some() {
            // Whatever is still in the source is read to its end; where classes have shares, all of it before the first step.
            return u64::MAX;
        }
        let ahead = intake.mailbox(id(StageKind::Preprocess));
        (self.step + intake.mailbox(id(StageKind::Batch)) + 1) * self.plan.batch() + ahead
    }

    /// Admits the variants of the steps that are near.
    pub(crate) fn advance(&mut self, samples: &Samples, intake: &mut Intake<'_>) {
        let augment = id(StageKind::Augment);
        let near = self.step + intake.mailbox(id(StageKind::Batch));
        let room = intake.oldest_unfinished(augment).0 + intake.mailbox(augment);
        let end = (near.min(self.decided.steps) * self.plan.batch()).min(room);
        while self.next_variant < end {
            let ordinal = self.next_variant;
            let (epoch, position) = self.epoch_and_position(ordinal);
            if !self.is_known(epoch, position, samples) {
                break;
            }
            self.next_variant += 1;
            match self.first_position(epoch, position).is_some_and(|at| samples.has(at)) {
                true => intake.accept(augment, ItemId(ordinal)),
                false => {
                    intake.skip(augment, ItemId(ordinal));
                    self.settle_variant(ordinal, None, intake);
                }
            }
        }
    }

    /// True once it is known which item stands at a position of an epoch's order, and whether it was lost.
    fn is_known(&mut self, epoch: u32, position: u64, samples: &Samples) -> bool {
        let Plan { settings, train_items, .. } = &*self.plan;
        if let Some(shares) = &settings.train.sampling.classes {
            if self.by_class.is_none() && samples.is_complete() {
                let sizes = (self.plan.network.classes(), *train_items);
                let labels = samples.train_labels();
                self.by_class = Some(ClassOrder::new(settings.seed, shares, sizes, labels));
            }
            return self.by_class.is_some();
        }
        // What fills the last batch comes after all others.
        samples.is_complete() || (epoch == 0 && position < samples.train_settled())
    }

    /// Begins the next step when its batch is there.
    pub(crate) fn begin_step(&mut self, intake: &mut Intake<'_>) {
        if self.current.is_some() || !self.batches.contains_key(&self.step) {
            return;
        }
        let train = &self.plan.settings.train;
        self.began.get_or_insert(intake.now());
        self.current = Some(Step {
            gradients: vec![const { None }; train.gradient_shards],
            updated: vec![const { None }; train.update_slices],
        });
        self.accept_parts(0..train.gradient_shards, intake);
    }

    pub(crate) fn original(&self, ordinal: u64, samples: &Samples) -> Original {
        let (epoch, position) = self.epoch_and_position(ordinal);
        let sample = self.sample_position(epoch, position, samples);
        let sample = sample.expect("a lost item is not augmented");
        Original { draw: self.draw(position, &sample), sample, epoch }
    }

    pub(crate) fn augmented(
        &mut self,
        ordinal: u64,
        image: Option<Vec<f32>>,
        samples: &mut Samples,
        intake: &mut Intake<'_>,
    ) {
        let (epoch, position) = self.epoch_and_position(ordinal);
        let sample = self.sample_position(epoch, position, samples);
        let variant = image.zip(sample).map(|(image, sample)| {
            let (label, item) = (sample.label, self.draw(position, &sample));
            Arc::new(Variant { image, label, item })
        });
        if epoch == 0 {
            samples.used(position);
        }
        self.settle_variant(ordinal, variant, intake);
    }

    pub(crate) fn members(&self, step: u64) -> Members {
        let ordinals = step * self.plan.batch()..(step + 1) * self.plan.batch();
        let variants = self.variants.range(ordinals);
        let variants = variants.filter_map(|(_, variant)| variant.clone()).collect();
        Members { variants, epoch: self.plan.epoch_of(step) }
    }

    pub(crate) fn batched(&mut self, step: u64, batch: Batch) -> Result<(), String> {
        for ordinal in step * self.plan.batch()..(step + 1) * self.plan.batch() {
            self.variants.remove(&ordinal);
        }
        self.gathered.remove(&step);
        if batch.len() == 0 {
            return Err(format!("step {step}: every item of its batch was given up"));
        }
        self.batches.insert(step, Arc::new(batch));
        Ok(())
    }

    pub(crate) fn task(&mut self, ordinal: u64) -> TrainTask {
        let train = &self.plan.settings.train;
        let part = (ordinal % self.parts()) as usize;
        let current = self.current.as_ref().expect("a part belongs to the current step");
        if part < train.gradient_shards {
            return TrainTask::Gradient(GradientTask {
                parameters: self.parameters.clone(),
                batch: self.batches[&self.step].clone(),
                shard: part,
                epoch: self.plan.epoch_of(self.step),
                buffer: self.spare_gradients.pop(),
            });
        }
        let slice = part - train.gradient_shards;
        if slice < train.update_slices {
            return TrainTask::Update(UpdateTask {
                shards: current.gradients.iter().flatten().cloned().collect(),
                parameters: self.parameters.clone(),
                before: self.slices[slice].clone(),
                range: slice_range(&self.plan, slice),
                step: self.step,
                buffer: self.spare_slices.pop().unwrap_or_default(),
            });
        }
        let slices = current.updated.iter().flatten().cloned().collect();
        TrainTask::Publish(slices, self.spare_parameters.pop().unwrap_or_default())
    }

    /// Puts an outcome into its place; the last one of a step may give a version to be evaluated or kept.
    pub(crate) fn committed(
        &mut self,
        ordinal: u64,
        outcome: TrainOutcome,
        intake: &mut Intake<'_>,
    ) -> Result<Published, String> {
        let (shards, slices) =
            (self.plan.settings.train.gradient_shards, self.plan.settings.train.update_slices);
        let part = (ordinal % self.parts()) as usize;
        let current = self.current.as_mut().expect("a part belongs to the current step");
        match outcome {
            TrainOutcome::Gradient(shard) => {
                current.gradients[part] = Some(Arc::new(shard));
                if current.gradients.iter().all(Option::is_some) {
                    self.accept_parts(shards..shards + slices, intake);
                }
                Ok(Published::default())
            }
            TrainOutcome::Update(slice) => {
                current.updated[part - shards] = Some(Arc::new(slice));
                if current.updated.iter().all(Option::is_some) {
                    if let Err(reason) = self.check_finite() {
                        self.diverged_at = Some(self.step + 1);
                        return Err(reason);
                    }
                    self.accept_parts(shards + slices..shards + slices + 1, intake);
                }
                Ok(Published::default())
            }
            TrainOutcome::Publish(parameters) => Ok(self.publish(parameters, intake.now())),
        }
    }

    /// A version that is not finite is not published: the one before it stays.
    fn check_finite(&self) -> Result<(), String> {
        let current = self.current.as_ref().expect("a step that is checked is under way");
        let mut slices = current.updated.iter().flatten();
        let first = slices.find_map(|slice| slice.not_finite);
        let loss = self.mean_loss(current);
        if loss.is_finite() && first.is_none() {
            return Ok(());
        }
        let tensors = self.plan.network.parameters();
        let holds = |at: usize| tensors.iter().find(|t| (t.offset..t.offset + t.len).contains(&at));
        let place = match first.and_then(holds) {
            Some(tensor) => format!(", and the step of `{}` is not finite", tensor.name),
            None => String::new(),
        };
        let (step, epoch) = (self.step + 1, self.plan.epoch_of(self.step) + 1);
        Err(format!(
            "step {step} (epoch {epoch}): the loss is {loss}{place}: \
             lower `train.optimiser.learning_rate`, or set `train.clip_norm`"
        ))
    }

    /// The mean loss of the step's batch.
    fn mean_loss(&self, current: &Step) -> f64 {
        let losses = current.gradients.iter().flatten().map(|shard| shard.loss.loss_sum);
        let scale = self.batches[&self.step].scale(&self.plan.settings.train.loss);
        losses.sum::<f64>() * f64::from(scale)
    }

    /// One swap publishes the next version, frees the places and ends the batch.
    fn publish(&mut self, parameters: Vec<f32>, now: Ms) -> Published {
        let current = self.current.take().expect("a step is published once");
        let loss = self.mean_loss(&current);
        self.batches.remove(&self.step);
        let before = std::mem::replace(&mut self.parameters, Arc::new(parameters));
        let updated = current.updated.into_iter().flatten().collect();
        let slices = std::mem::replace(&mut self.slices, updated);
        self.keep_spares(before, slices, current.gradients);
        self.step += 1;
        self.loss = Some(loss);
        self.last = now;
        self.losses.add(self.step, loss);
        let (is_evaluated, is_kept) =
            (self.plan.is_evaluated(self.step), self.plan.is_kept(self.step));
        Published {
            version: is_evaluated.then(|| self.version()),
            snapshot: is_kept.then(|| self.snapshot()),
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            step: self.step,
            parameters: self.parameters.clone(),
            slices: self.slices.clone(),
            losses: self.losses.clone(),
        }
    }

    /// The average of the weights, where one is kept; else the weights themselves.
    fn to_deploy(&self) -> Arc<Vec<f32>> {
        let update = &self.plan.settings.train.update;
        let averages = self.slices.iter().map(|slice| update.average(&slice.state));
        match averages.collect::<Option<Vec<_>>>() {
            Some(averages) => Arc::new(averages.concat()),
            None => self.parameters.clone(),
        }
    }

    /// Memory that nobody else holds serves again.
    fn keep_spares(
        &mut self,
        parameters: Arc<Vec<f32>>,
        slices: Vec<Arc<UpdatedSlice>>,
        gradients: Vec<Option<Arc<GradientShard>>>,
    ) {
        self.spare_parameters.extend(Arc::into_inner(parameters));
        self.spare_slices.extend(slices.into_iter().filter_map(Arc::into_inner));
        let gradients = gradients.into_iter().flatten().filter_map(Arc::into_inner);
        self.spare_gradients.extend(gradients.map(|shard| shard.gradient));
        self.spare_parameters.truncate(2);
        self.spare_slices.truncate(SPARES_MAX);
        self.spare_gradients.truncate(SPARES_MAX);
    }

    fn settle_variant(
        &mut self,
        ordinal: u64,
        variant: Option<Arc<Variant>>,
        intake: &mut Intake<'_>,
    ) {
        self.variants.insert(ordinal, variant);
        let step = ordinal / self.plan.batch();
        let gathered = self.gathered.entry(step).or_default();
        *gathered += 1;
        if *gathered == self.plan.batch() {
            intake.accept(id(StageKind::Batch), ItemId(step));
        }
    }

    fn accept_parts(&self, parts: Range<usize>, intake: &mut Intake<'_>) {
        let first = self.step * self.parts();
        for part in parts {
            intake.accept(id(StageKind::Train), ItemId(first + part as u64));
        }
    }

    /// Items of train a step.
    fn parts(&self) -> u64 {
        let train = &self.plan.settings.train;
        (train.gradient_shards + train.update_slices + 1) as u64
    }

    fn epoch_and_position(&self, ordinal: u64) -> (u32, u64) {
        let usable = self.plan.steps_per_epoch * self.plan.batch();
        ((ordinal / usable) as u32, ordinal % usable)
    }

    /// The sample at a position of an epoch's order.
    fn sample_position(&self, epoch: u32, position: u64, samples: &Samples) -> Option<Sample> {
        samples.train_at(self.first_position(epoch, position)?)
    }

    /// Where what is at a position of an epoch's order is in the first epoch's: samples lie in that order. None for a place that
    /// stays empty.
    fn first_position(&self, epoch: u32, position: u64) -> Option<u64> {
        let Plan { settings, train_items, .. } = &*self.plan;
        let sampling = &settings.train.sampling;
        let position = match sampling.last_batch {
            LastBatch::Fill => position % train_items,
            LastBatch::Drop | LastBatch::Keep => position,
        };
        match &self.by_class {
            _ if position >= *train_items => None,
            Some(order) => order.position(epoch, position),
            None if epoch == 0 => Some(position),
            None => Some(self.plan.shuffle(epoch).item_at(position)),
        }
    }

    /// The key of the random numbers of what is at a position: the item's, or the position's where an item may come twice in an
    /// epoch, so that it comes in two variants.
    fn draw(&self, position: u64, sample: &Sample) -> u64 {
        let comes_once = self.by_class.is_none() && position < self.plan.train_items;
        if comes_once { sample.address.index } else { 1 << 63 | position }
    }
}

/// The parameters of a slice of the update.
fn slice_range(plan: &Plan, slice: usize) -> Range<usize> {
    let (count, slices) = (plan.network.parameter_count(), plan.settings.train.update_slices);
    count * slice / slices..count * (slice + 1) / slices
}
