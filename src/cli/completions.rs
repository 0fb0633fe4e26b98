//! `corelane completions`.

use std::io::Write;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::command_line::CommandLine;

const EXAMPLES: &str = "\
Examples:
  corelane completions bash > ~/.local/share/bash-completion/completions/corelane
  corelane completions zsh  > ~/.zfunc/_corelane
  corelane completions fish > ~/.config/fish/completions/corelane.fish";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub fn run(args: &CompletionsArgs) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut CommandLine::command(), "corelane", &mut script);
    std::io::stdout()
        .write_all(&script)
        .context("could not write the script")
}
