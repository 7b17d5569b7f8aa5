//! Drift: told when digits come that are not like those that the model was measured on; the same for any workers and deaths.

use crate::pipelines::{kill, settings, within};
use planaria_data::{Fit, Pixels, Source, Split, encode, source::embedded};
use planaria_stages::{Death, Pipeline, What};

/// Digits that are asked for: two windows and a half.
const ASKED: u64 = 500;

const WINDOW: u64 = 200;

/// Digits that the model was not measured on, each changed in a way, as files.
fn digits(change: impl Fn(Pixels) -> Pixels) -> Vec<Vec<u8>> {
    let mnist = embedded::mnist().expect("it is inside");
    let file = |index| {
        let raw = mnist.read(Split::Test, index).expect("it is there");
        encode::png(&change(Pixels::new(28, 28, 1, raw.bytes))).expect("it is a picture")
    };
    (1_000..1_000 + ASKED).map(file).collect()
}

fn turned(pixels: Pixels) -> Pixels {
    let data = (0..28 * 28).map(|at| pixels.data[at % 28 * 28 + 27 - at / 28]).collect();
    Pixels::new(28, 28, 1, data)
}

/// What a runtime that has trained notices while these are predicted, by so many workers, of which every so many-th answer
/// costs one its life; and its newest comparison.
fn noticed(digits: &[Vec<u8>], workers: u16, kill_every: Option<usize>) -> (Vec<String>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = settings(folder.path());
    settings.drift.window = WINDOW;
    settings.predict.fit = Fit::Stretch;
    settings.pools.values_mut().for_each(|pool| pool.workers = workers);
    actix_rt::System::new().block_on(async {
        let pipeline = Pipeline::start(settings).expect("it starts");
        within(pipeline.trained()).await.expect("it is trained");
        for (number, digit) in digits.iter().enumerate() {
            if kill_every.is_some_and(|every| number % every == 0) {
                kill(&pipeline, "predict/1", Death::Panic).await;
            }
            within(pipeline.predict(digit.clone())).await.expect("an answer");
        }
        let events = pipeline.events(0, usize::MAX).events.into_iter();
        let noticed = events.filter_map(|event| match event.what {
            What::Noticed { stage, what } => Some(format!("{stage}: {what}")),
            _ => None,
        });
        let drift = pipeline.status().drift.expect("two windows were compared");
        let told = (noticed.collect(), serde_json::to_string(&drift).expect("it is JSON"));
        within(pipeline.drain()).await;
        told
    })
}

#[test]
fn other_digits_of_the_same_kind_are_no_drift_and_turned_or_inverted_ones_are() {
    let (events, _) = noticed(&digits(|digit| digit), 2, None);
    assert_eq!(events, Vec::<String>::new());
    let (events, _) = noticed(&digits(turned), 2, None);
    assert_eq!(events.len() as u64, ASKED / WINDOW, "one a window: {events:?}");
    assert!(events[0].starts_with("predict: drift: of the last 200 predictions "), "{events:?}");
    assert!(events[0].contains("figures have shifted, most part "), "{events:?}");
    let faded = |digit: Pixels| {
        Pixels::new(28, 28, 1, digit.data.iter().map(|byte| 60 + byte / 4).collect())
    };
    assert!(!noticed(&digits(faded), 2, None).0.is_empty(), "less contrast");
}

#[test]
fn what_has_drifted_is_the_same_for_any_workers_and_whoever_dies() {
    let digits = digits(turned);
    let quiet = noticed(&digits, 1, None);
    assert_eq!(noticed(&digits, 3, Some(7)), quiet);
}
