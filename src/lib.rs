//! Planaria, the program: what a person or a client touches.
//!
//! In the way of a job: the command line is parsed (`cli`), a command does what it says
//! (`commands`), by a config that has been checked (`config`); doors let a second terminal in
//! (`doors`); jobs outlive the process (`jobs`); views show what is going on (`views`), logs (`telemetry`) and the report (`report`)
//! tell it to machines. The way of an item is in `planaria-stages`, what survives being killed in
//! `planaria-kernel`.
#![forbid(unsafe_code)]

pub mod cli;
pub mod commands;
pub mod config;
pub mod doors;
pub mod jobs;
pub mod views;
pub mod report;
pub mod telemetry;
