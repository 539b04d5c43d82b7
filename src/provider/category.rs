//! The small vocabulary that all providers share, so that one query covers Stripe, Razorpay and PayPal.

use super::error::Fault;
use super::glob::Globs;

/// Every category with its meaning.
pub const CATEGORIES: [(&str, &str); 25] = [
    ("payment.succeeded", "Money was received."),
    ("payment.failed", "A payment was tried and failed."),
    ("payment.refunded", "Money was given back, wholly or in part."),
    ("payment.disputed", "A payment is contested by its payer."),
    ("order.created", "Somebody ordered something."),
    ("order.updated", "An order changed, up to its cancellation."),
    ("shipment.updated", "A shipment was made or moved on."),
    ("stock.changed", "The number of items in stock changed."),
    ("subscription.changed", "A subscription began, changed or ended."),
    ("code.pushed", "Commits were pushed to a repository."),
    ("review.changed", "A change to code was proposed, discussed, merged or closed."),
    ("job.completed", "A build, workflow or other job came to its end, good or bad."),
    ("lead.created", "Somebody may become a customer."),
    ("contact.created", "A person or company was added to the address book."),
    ("user.registered", "Somebody opened an account."),
    ("ticket.created", "Somebody asked for help or reported a fault."),
    ("ticket.updated", "A ticket or issue changed."),
    ("message.received", "Somebody wrote a message."),
    ("message.delivered", "A message reached its addressee."),
    ("message.failed", "A message did not reach its addressee."),
    ("social.mentioned", "Somebody named the account in public."),
    ("social.commented", "Somebody commented on a post or video."),
    ("alert.fired", "Something is wrong."),
    ("alert.resolved", "Something is right again."),
    ("device.reported", "A device sent a reading."),
];

/// `[categories]` of a file, each checked against the vocabulary.
pub(crate) fn compile<'a>(
    table: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<Globs<&'static str>, Fault> {
    let entry = |(pattern, name): (&String, &String)| match CATEGORIES.iter().find(|(known, _)| known == name) {
        Some((known, _)) => Ok((pattern.clone(), *known)),
        None => {
            let known: Vec<_> = CATEGORIES.iter().map(|(known, _)| *known).collect();
            let problem = format!("unknown category `{name}`, expected one of {}", known.join(", "));
            Err(Fault::new(pattern, problem).within("categories"))
        }
    };
    table.into_iter().map(entry).collect::<Result<Vec<_>, _>>().map(Globs::new)
}
