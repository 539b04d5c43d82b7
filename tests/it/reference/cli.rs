//! docs/reference/cli.md, from clap's declarations.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};
use hookstream::cli::Cli;

pub(super) fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut page = String::from("# Command line\n");
    section(&mut page, &command, "hookstream", 2);
    page
}

fn section(page: &mut String, command: &Command, path: &str, level: usize) {
    if command.get_name() == "help" {
        return;
    }
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    writeln!(page, "\n{} {path}\n\n{about}.", "#".repeat(level)).unwrap();
    let shown =
        |argument: &&clap::Arg| !argument.is_hide_set() && !matches!(argument.get_id().as_str(), "help" | "version");
    let global = level > 2;
    let arguments: Vec<&clap::Arg> =
        command.get_arguments().filter(shown).filter(|argument| !(global && argument.is_global_set())).collect();
    if !arguments.is_empty() {
        page.push_str("\n| argument | meaning |\n| --- | --- |\n");
    }
    for argument in arguments {
        let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let names: Vec<&str> =
            argument.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect();
        let takes = argument.get_action().takes_values() && !names.is_empty();
        let name = match argument.get_long() {
            Some(long) if takes => format!("--{long} {}", names.join(" ")),
            Some(long) => format!("--{long}"),
            None => names.join(" "),
        };
        let values: Vec<String> = argument
            .get_possible_values()
            .iter()
            .filter(|_| takes)
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        let values = if values.is_empty() { String::new() } else { format!(" One of {}.", values.join(", ")) };
        let default: Vec<String> = argument
            .get_default_values()
            .iter()
            .filter(|_| takes)
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect();
        let default = if default.is_empty() { String::new() } else { format!(" Default: {}.", default.join(", ")) };
        let env =
            argument.get_env().map(|name| format!(" Environment: `{}`.", name.to_string_lossy())).unwrap_or_default();
        // clap cuts the last full stop of a docstring.
        let help = if help.ends_with(['.', '…']) { help } else { help + "." };
        writeln!(page, "| `{name}` | {help}{values}{default}{env} |").unwrap();
    }
    for inner in command.get_subcommands() {
        section(page, inner, &format!("{path} {}", inner.get_name()), level + 1);
    }
}
