//! `cargo local push`.

use clap::Args;

use crate::{
    Cloud, PushOptions, Settings,
    cloud::APPLICATION,
    image::{Behaviour, Make},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The version that the application shows.
    #[arg(long, value_name = "VERSION", default_value = "v1")]
    app_version: String,
    /// The image's tag [default: the version].
    #[arg(long)]
    tag: Option<String>,
    /// What this version does: good, answer-500, hang, crash, stumble, turn-bad or turn-bad:SECONDS.
    #[arg(long, default_value = "good")]
    behaviour: Behaviour,
    /// Build the application without its framework, which starts at once.
    #[arg(long)]
    light: bool,
    /// What the image's label slipway.migration says: none, expand or contract [default: it has no such label].
    #[arg(long)]
    migration: Option<String>,
    /// The repository.
    #[arg(long, default_value = APPLICATION)]
    repository: String,
    /// Build for all platforms, as an index.
    #[arg(long)]
    multi_architecture: bool,
}

pub(super) async fn run(settings: &Settings, arguments: Arguments) -> anyhow::Result<()> {
    let cloud = Cloud::attach(settings).await?;
    let pushed = cloud
        .push_to(
            &arguments.repository,
            &PushOptions {
                tag: arguments.tag,
                behaviour: arguments.behaviour,
                make: if arguments.light { Make::Light } else { Make::Sample },
                migration: arguments.migration,
                multi_architecture: arguments.multi_architecture,
                ..PushOptions::good(&arguments.app_version)
            },
        )
        .await?;
    println!("{}:{}@{}", pushed.repository, pushed.tag, pushed.digest);
    Ok(())
}
