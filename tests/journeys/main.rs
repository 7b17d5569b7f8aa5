//! The real binary as a person uses it: started, asked, killed, fed with what is wrong, stopped.
//!
//! Every journey has a folder of its own with its state and its socket. Nothing waits for a time to
//! pass: a journey waits for what it needs to see, with a bound of minutes, and whatever it has
//! started dies with it. `world` starts programs, `client` speaks to the control socket without
//! help of the code under test, `drawings` makes pictures and data sets.
#![forbid(unsafe_code)]

mod world;
mod client;
mod drawings;
mod first_run;
mod other_formats;
mod same_result;
mod early_stop;
mod fine_tune;
mod learning_rate;
mod sweep;
mod second_terminal;
mod kill_an_actor;
mod scale_a_stage;
mod serve;
mod views;
mod kill_nine;
mod kill_sweep;
mod pictures;
mod sources;
mod convert;
mod inspect;
mod jobs;
mod clean;
mod bad_data;
mod bad_config;
mod bad_socket;
mod bad_request;
