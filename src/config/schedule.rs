//! `train.schedule`: the name of a schedule, or a section with its settings.

use planaria_learn::{
    SCHEDULES, Schedule,
    optimiser::schedule::{Cosine, Exponential, Milestones, OneCycle, Step, Triangular, WarmUp},
};

use super::section::Section;

/// Reads `schedule` of `[train]`, in the one form or the other.
pub(super) fn read(train: &mut Section<'_>) -> Schedule {
    if train.is_text("schedule") {
        return kind(train, "schedule");
    }
    let mut section = train.section("schedule");
    let kind = kind(&mut section, "kind");
    let steps = section.whole("warm_up_steps", 0, 0..=1_000_000_000);
    let epochs = section.real("warm_up_epochs", 0.0, 0.0..=100_000.0);
    let schedule = settings(&mut section, kind);
    section.finish();
    if steps == 0 && epochs == 0.0 {
        return schedule;
    }
    Schedule::WarmUp(WarmUp { steps, epochs, then: Box::new(schedule) })
}

/// The schedule of that name, with its defaults.
fn kind(section: &mut Section<'_>, field: &'static str) -> Schedule {
    // A warm-up is before any of the others, and not one of them.
    let names: Vec<_> = SCHEDULES.into_iter().filter(|(name, _)| *name != "warm-up").collect();
    let one_cycle: fn() -> Schedule = || Schedule::OneCycle(OneCycle::default());
    section.choice(field, one_cycle, &names)()
}

/// The same schedule with the section's settings.
fn settings(section: &mut Section<'_>, schedule: Schedule) -> Schedule {
    match schedule {
        Schedule::Step(Step { epochs, factor }) => Schedule::Step(Step {
            epochs: section.whole("epochs", epochs, 1..=100_000),
            factor: section.real("factor", factor, 1e-6..=1.0),
        }),
        Schedule::Milestones(Milestones { epochs, factor }) => Schedule::Milestones(Milestones {
            epochs: section.wholes("epochs", 1..=100_000).map_or(epochs, |epochs| {
                epochs.into_iter().filter_map(|epoch| u32::try_from(epoch).ok()).collect()
            }),
            factor: section.real("factor", factor, 1e-6..=1.0),
        }),
        Schedule::Cosine(Cosine { floor }) => {
            Schedule::Cosine(Cosine { floor: share(section, "floor", floor) })
        }
        Schedule::OneCycle(OneCycle { peak, begin, floor }) => Schedule::OneCycle(OneCycle {
            peak: share(section, "peak", peak),
            begin: share(section, "begin", begin),
            floor: share(section, "floor", floor),
        }),
        Schedule::Triangular(Triangular { peak, begin, floor }) => {
            Schedule::Triangular(Triangular {
                peak: share(section, "peak", peak),
                begin: share(section, "begin", begin),
                floor: share(section, "floor", floor),
            })
        }
        Schedule::Exponential(Exponential { begin, end }) => Schedule::Exponential(Exponential {
            begin: section.real("begin", begin, 1e-12..=1e6),
            end: section.real("end", end, 1e-12..=1e6),
        }),
        Schedule::Constant | Schedule::WarmUp(_) => schedule,
    }
}

fn share(section: &mut Section<'_>, name: &'static str, default: f64) -> f64 {
    section.real(name, default, 0.0..=1.0)
}
