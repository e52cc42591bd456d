//! A rollout as a picture: a function from what is known of it to what stands on the terminal.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style, Stylize},
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph, Wrap},
};

use super::{
    super::{
        super::{
            table::{Cell, Table, Tone},
            text::shown,
        },
        contract::Rollout,
        tell,
    },
    attention::{Attention, Foot},
};

/// Draws it. `now` is by the gateway's clock, in milliseconds since 1970.
pub(super) fn draw(frame: &mut Frame<'_>, attention: &Attention, now: i64) {
    let rollout = &attention.look.rollout;
    let plan = rollout.plan(false);
    let current = plan.iter().position(|stage| stage.is_current).unwrap_or(0);
    let (stages, versions) = (lines(&tell::stages(&plan, now)), lines(&tell::versions(rollout)));
    let evidence = lines(&tell::evidence(rollout));
    let heights = heights(frame.area().height, [stages.len(), versions.len(), evidence.len()]);
    let [head, progress, waits, plan_area, versions_area, evidence_area, history_area, foot] =
        Layout::vertical(heights.map(Constraint::Length)).areas(frame.area());
    frame.render_widget(Line::from(heading(rollout)).bold(), head);
    frame.render_widget(line(&[tell::status(&rollout.status, &rollout.progress)]), progress);
    let text = shown(&waited_for(rollout)).into_owned();
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), waits);
    let rows = usize::from(plan_area.height.saturating_sub(1));
    let visible = around(stages.into_iter().skip(1).collect(), current, rows);
    section(frame, " stages ", visible, plan_area);
    section(frame, " versions ", versions, versions_area);
    frame.render_widget(Paragraph::new(evidence).wrap(Wrap { trim: false }), evidence_area);
    let rows = usize::from(history_area.height.saturating_sub(1));
    section(frame, " what has happened ", lines(&tell::history(rollout, rows, tell::time_of_day)), history_area);
    frame.render_widget(last_line(attention), foot);
}

/// Of head, progress, what it waits for, stages, versions, evidence, history and foot. A low terminal has less of the stages
/// first, then no history, and at last no numbers.
fn heights(height: u16, [stages, versions, evidence]: [usize; 3]) -> [u16; 8] {
    let has_numbers = versions > 0;
    let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    // One more, for a sentence that does not fit on a line.
    let numbers = if has_numbers { [rows(versions) + 1, rows(evidence) + 1] } else { [0, 0] };
    let left = height.saturating_sub(HEAD + FOOT);
    let fits = left >= LEAST + numbers[0] + numbers[1];
    let [versions, evidence] = if fits { numbers } else { [0, 0] };
    let left = left.saturating_sub(versions + evidence);
    // The table's heading is left out, the rule above it is not.
    let stages = rows(stages).min(left.saturating_sub(LEAST).max(LEAST)).min(left);
    [1, 1, 2, stages, versions, evidence, left - stages, FOOT]
}

fn heading(rollout: &Rollout) -> String {
    let text = format!("{}  {}: {}", rollout.id, rollout.service, tell::versions_named(rollout));
    shown(&text).into_owned()
}

fn waited_for(rollout: &Rollout) -> String {
    let waits = &rollout.waits_for;
    match (rollout.has_ended(), &rollout.reason) {
        // A pause says why by itself.
        (false, Some(reason)) if !waits.contains(reason.as_str()) => format!("waits for {waits}; {reason}"),
        (false, _) => format!("waits for {waits}"),
        (true, reason) => reason.clone().unwrap_or_default(),
    }
}

fn section(frame: &mut Frame<'_>, title: &'static str, lines: Vec<Line<'_>>, area: Rect) {
    let block = Block::new().borders(Borders::TOP).border_style(Style::new().dim()).title(title);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// As many as there is room for, among them the one that counts.
fn around<T>(mut all: Vec<T>, counts: usize, room: usize) -> Vec<T> {
    let first = counts.saturating_sub(room / 2).min(all.len().saturating_sub(room));
    all.drain(..first);
    all.truncate(room);
    all
}

fn last_line(attention: &Attention) -> Line<'static> {
    let text = |text: String| shown(&text).into_owned();
    match attention.foot() {
        Foot::Question(question) => Line::from(text(question)).bold().reversed(),
        Foot::Trouble(trouble) => Line::from(text(trouble)).fg(Color::Red),
        Foot::Note(note) => Line::from(text(note)).fg(Color::Yellow),
        Foot::Keys(keys) => Line::from(text(keys)).dim(),
    }
}

/// The same lines as in print; none of a table that is empty.
fn lines(table: &Table) -> Vec<Line<'static>> {
    if table.is_empty() {
        return Vec::new();
    }
    table.lines().iter().map(|cells| line(cells)).collect()
}

fn line(cells: &[Cell]) -> Line<'static> {
    let spans = cells.iter().map(|cell| Span::styled(cell.text().to_owned(), style(cell.tone())));
    Line::from(spans.collect::<Vec<_>>())
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Warning => Style::new().fg(Color::Yellow),
        Tone::Bad => Style::new().fg(Color::Red),
        Tone::Heading => Style::new().bold(),
    }
}

/// Lines that are always there above.
const HEAD: u16 = 4;
const FOOT: u16 = 1;
/// Lines that stages have at least, and history.
const LEAST: u16 = 3;

#[cfg(test)]
mod tests;
