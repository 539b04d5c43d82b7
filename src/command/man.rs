//! `man`: one page that holds every command with its options.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::Cli;

/// The page in roff.
///
/// # Errors
/// Never in practice: it is written to memory.
pub fn page() -> io::Result<String> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    man.render_extra_section(&mut page)?;
    let mut page = String::from_utf8_lossy(&page).into_owned();
    for inner in command.get_subcommands() {
        section(&mut page, inner, "hookstream")?;
    }
    Ok(page)
}

/// A command and those below it; the options that every command takes were told once.
fn section(page: &mut String, command: &Command, above: &str) -> io::Result<()> {
    if command.get_name() == "help" {
        return Ok(());
    }
    let path = format!("{above} {}", command.get_name());
    let told =
        |argument: &clap::Arg| argument.is_global_set() || matches!(argument.get_id().as_str(), "help" | "version");
    let own = command.clone().mut_args(|argument| {
        let hide = told(&argument);
        argument.hide(hide)
    });
    let man = Man::new(own);
    let mut part = Vec::new();
    man.render_synopsis_section(&mut part)?;
    man.render_description_section(&mut part)?;
    man.render_options_section(&mut part)?;
    page.push_str(&format!(".SH \"{}\"\n", path.to_uppercase()));
    // What is a section of a page of its own is a part of this one.
    page.push_str(&String::from_utf8_lossy(&part).replace(".SH ", ".SS "));
    command.get_subcommands().try_for_each(|inner| section(page, inner, &path))
}
