//! Convolutional networks, trained by pure functions: equal inputs give equal bits, whichever
//! thread computes them.
//!
//! A [`Network`] is an immutable plan. Its parameters are one flat slice that the caller owns;
//! [`Network::gradient`] and [`Predictor::predict`] compute in a [`Workspace`] that was allocated
//! once. A batch is cut into shards ([`Network::gradient_of_shard`]);
//! [`Network::update_from_shards`] adds their gradients in a fixed order and makes the next
//! parameters from the old ones, slice by slice.
//!
//! Images, weights and all that flows between layers are `ndarray` views in the shapes that the
//! layers' formulas name; a pass allocates nothing.
//!
//! There are no threads, clocks, logs or files here. Long computations call the caller's pulse and
//! stop when it says so.
//!
//! ```
//! use ndarray::Array4;
//! use planaria_learn::{Loss, Network, Shard, Targets};
//! let (input, layers) = Network::preset("tiny-cnn").unwrap();
//! let network = Network::new(input, &layers).unwrap();
//! let parameters = network.initial_parameters(7);
//! let mut workspace = network.workspace(2);
//! let mut gradient = vec![0.0; network.parameter_count()];
//! let images = Array4::from_elem((2, 28, 28, 1), 0.5);
//! let (labels, items) = (&[3, 1], &[0, 1]);
//! let images = images.view().into_dyn();
//! let (targets, loss) = (Targets::Classes(labels), &Loss::default());
//! let (scale, share) = (loss.batch_scale(&targets), 1.0);
//! let shard = Shard { images, targets, loss, items, seed: 7, epoch: 0, scale, share };
//! let mut pulse = || Ok::<(), ()>(());
//! let loss = network.gradient(&parameters, &shard, &mut workspace, &mut gradient, &mut pulse);
//! assert!(loss.unwrap().loss_sum > 0.0);
//! assert_eq!(network.tensor(&gradient, "0.weight").unwrap().shape(), [3, 3, 1, 4]);
//! ```

pub mod shape;
pub mod layer;
pub mod presets;
pub mod network;
mod builder;
mod plan;
pub mod workspace;
mod pass;
mod fold;
pub mod predictor;
pub mod views;
pub mod quantise;
mod pulse;
pub mod loss;
pub mod initialise;
pub mod gradient;
pub mod shard_gradient;
pub mod optimiser;
pub mod score;
pub mod model_file;
pub mod checkpoint_file;
mod compute_kernels;

pub use checkpoint_file::{CheckpointFile, CheckpointFileError};
pub use compute_kernels::{Isa, isa};
pub use gradient::{Shard, ShardLoss, sum_shards};
pub use initialise::{INITIALISERS, Initialiser};
pub use layer::{LAYERS, LayerSpec};
pub use loss::{LOSSES, Loss, LossError, Targets};
pub use model_file::{ModelError, ModelFile, weights_sha256};
pub use network::{InputError, Network, ParameterSpec, Role};
pub use optimiser::{
    Adam, AdamW, NORM_BLOCK, OPTIMISERS, Optimiser, ParameterSlice, Sgd, TrainingStep, Update,
    gradient_norm, schedule::SCHEDULES, schedule::Schedule,
};
pub use predictor::Predictor;
pub use presets::PRESETS;
pub use quantise::{CalibrationError, Quantised};
pub use score::Score;
pub use shape::{Problem, Shape, ShapeError};
pub use shard_gradient::ShardGradient;
pub use views::Views;
pub use workspace::Workspace;

/// A line of a table: a name in a config, and what it stands for with its defaults.
pub type Named<T> = (&'static str, fn() -> T);

/// The arrays of this crate's interface.
pub use ndarray;
