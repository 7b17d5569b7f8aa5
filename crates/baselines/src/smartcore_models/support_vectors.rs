//! Support vector classification with a radial kernel, one machine for each pair of classes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use smartcore::{
    error::Failed,
    svm::{
        Kernel,
        svc::{SVC, SVCParameters},
    },
};

use super::{matrix, squared_distance};
use crate::{
    error::Failure,
    model::{Lesson, Model},
    shares::{pairs, share, winner},
    table::Rows,
};

/// Rounds of the whole fit; each fits its share of the pairs.
const ROUNDS: u32 = 15;
/// The price of a row on the wrong side.
const C: f32 = 10.0;
/// How often the fit looks at every row.
const EPOCHS: usize = 3;

/// Support vector machines with the kernel `exp(-|a - b|^2 / D)`, one against one.
///
/// smartcore's machine computes the kernel of every two rows anew in each step, and of wide rows sees only as many features as
/// there are rows. So it is given rows of one number, their place, and a kernel that looks the answer up. Its own
/// one-against-one breaks ties by the order of a `HashMap`, and its machine borrows the rows that it was fitted on: what it
/// has learnt is taken out, and summed up here.
pub(crate) struct SupportVectors;

/// The machines, and the rows that they share.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Learnt {
    /// In the order of the pairs.
    machines: Vec<Machine>,
    /// The support vectors of all machines, `[S, D]`; empty until the last round.
    vectors: Vec<f32>,
}

/// The machine of one pair: what is above 0 is of the pair's higher class.
#[derive(Serialize, Deserialize)]
struct Machine {
    /// The places of its support vectors: of the lesson's rows, after the last round of `vectors`.
    places: Vec<usize>,
    weights: Vec<f32>,
    bias: f32,
}

impl Model for SupportVectors {
    type Learnt = Learnt;

    fn rounds(&self) -> u32 {
        ROUNDS
    }

    fn learn(&self, lesson: &Lesson<'_>, before: Option<Learnt>) -> Result<Learnt, Failure> {
        let mut learnt = before.unwrap_or_default();
        let pairs = pairs(lesson.classes);
        for number in share(lesson.round, ROUNDS, pairs.len()) {
            learnt.machines.push(machine(lesson, pairs[number], number as u32)?);
        }
        if lesson.round + 1 == ROUNDS {
            keep_support_vectors(lesson, &mut learnt);
        }
        Ok(learnt)
    }

    fn classify(
        &self,
        learnt: &Learnt,
        rows: Rows<'_>,
        classes: usize,
    ) -> Result<Vec<usize>, Failure> {
        let class = |row: &[f32]| {
            let vectors = learnt.vectors.chunks_exact(rows.columns);
            let kernel: Vec<f32> = vectors.map(|vector| radial(vector, row)).collect();
            let decide = |machine: &Machine| {
                let terms = machine.places.iter().zip(&machine.weights);
                terms.map(|(&place, weight)| weight * kernel[place]).sum::<f32>() + machine.bias
            };
            winner(classes, |pair| decide(&learnt.machines[pair]) > 0.0)
        };
        Ok(rows.iter().map(class).collect())
    }
}

/// The kernel: 1 for equal rows, towards 0 with their distance.
fn radial(a: &[f32], b: &[f32]) -> f32 {
    (-squared_distance(a, b) / a.len() as f32).exp()
}

/// Keeps the rows that some machine needs, and no other.
fn keep_support_vectors(lesson: &Lesson<'_>, learnt: &mut Learnt) {
    let used: BTreeSet<usize> =
        learnt.machines.iter().flat_map(|machine| &machine.places).copied().collect();
    let used: Vec<usize> = used.into_iter().collect();
    for place in learnt.machines.iter_mut().flat_map(|machine| &mut machine.places) {
        *place = used.binary_search(place).expect("every place is in the list");
    }
    learnt.vectors = lesson.rows.at(&used);
}

/// Fits the machine of one pair.
fn machine(lesson: &Lesson<'_>, pair: [usize; 2], number: u32) -> Result<Machine, Failure> {
    let places = lesson.places_of(pair);
    let targets: Vec<u8> = places.iter().map(|&place| lesson.targets[place]).collect();
    let numbers = matrix((0..places.len()).map(|place| place as f32).collect(), 1)?;
    let parameters = SVCParameters::default()
        .with_c(C)
        .with_epoch(EPOCHS)
        .with_kernel(Known::of(lesson.rows, &places))
        .with_seed(Some(lesson.own_seed(number)));
    let fitted = SVC::fit(&numbers, &targets, &parameters)?;
    let Fitted { instances, w, b } = serde_json::from_value(serde_json::to_value(&fitted)?)?;
    let places = instances.into_iter().map(|[number]| places[number as usize]).collect();
    Ok(Machine { places, weights: w, bias: b })
}

/// What smartcore's machine has learnt, by its own names.
#[derive(Deserialize)]
struct Fitted {
    instances: Vec<[f32; 1]>,
    w: Vec<f32>,
    b: f32,
}

/// The kernel of every two rows, by their numbers.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    rows: usize,
    /// `[rows, rows]`.
    values: Vec<f32>,
}

impl Known {
    fn of(rows: Rows<'_>, places: &[usize]) -> Known {
        let features = rows.at(places);
        let row = |number: usize| &features[number * rows.columns..][..rows.columns];
        let pair = |at: usize| radial(row(at / places.len()), row(at % places.len()));
        let values = (0..places.len() * places.len()).map(pair).collect();
        Known { rows: places.len(), values }
    }
}

#[typetag::serde]
impl Kernel for Known {
    fn apply(&self, a: &Vec<f64>, b: &Vec<f64>) -> Result<f64, Failed> {
        Ok(f64::from(self.values[a[0] as usize * self.rows + b[0] as usize]))
    }
}
