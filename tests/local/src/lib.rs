//! The local cloud: everything that Slipway needs of AWS, on one machine, with no AWS account and no Docker.
//!
//! MiniStack is the AWS endpoint. This crate starts it with what it lacks: an engine that runs ECS tasks as
//! processes ([`engine`]), the events that AWS sends by itself ([`events`]) and an inbox for SNS's mails
//! ([`mail`]). Between the functions and it stands the [`wire`], which can break a call. It applies the real
//! Terraform, and gives people commands ([`commands`]) and tests an interface ([`Cloud`]) to it.

pub mod awkward;
pub mod bench;
pub mod browser;
pub mod bundle;
pub mod client;
pub mod clock;
pub mod cloud;
pub mod commands;
pub mod engine;
pub mod environment;
pub mod events;
pub mod failures;
pub mod functions;
pub mod gates;
pub mod image;
pub mod inventory;
pub mod mail;
pub mod many;
pub mod ministack;
pub mod pace;
pub mod process;
pub mod progress;
pub mod releases;
pub mod serve;
pub mod settings;
pub mod state;
pub mod terraform;
pub mod told;
pub mod wire;

pub use awkward::Awkward;
pub use cloud::{Cloud, PushOptions, Pushed};
pub use gates::{Gates, ScanResult};
pub use mail::Mail;
pub use pace::Pace;
pub use settings::Settings;
pub use slipway_cli::page::{self, Answer};
