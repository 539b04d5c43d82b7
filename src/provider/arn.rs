//! Amazon Resource Names, `arn:PARTITION:SERVICE:REGION:ACCOUNT:NAME` (docs.aws.amazon.com/IAM, "Amazon Resource Names").

use super::verify::is_region;

/// The longest name of a resource that is taken: that of an SNS topic.
const LONGEST: usize = 256;

/// The host of the service in the region that the ARN names; `None` when it names none, or is another service's.
pub(crate) fn host(service: &str, arn: &str) -> Option<String> {
    let mut parts = arn.split(':');
    let (head, partition, owner, region) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let suffix = match partition {
        "aws" | "aws-us-gov" => "amazonaws.com",
        "aws-cn" => "amazonaws.com.cn",
        _ => return None,
    };
    (head == "arn" && owner == service && is_region(region)).then(|| format!("{service}.{region}.{suffix}"))
}

/// Is it the whole ARN of one resource of the service, with its account and its name?
pub(crate) fn is_whole(service: &str, arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let [.., account, name] = parts[..] else { return false };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    parts.len() == 6
        && host(service, arn).is_some()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && (1..=LONGEST).contains(&name.len())
        && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::{host, is_whole};

    #[test]
    fn the_host_is_ours() {
        let at = |arn: &str| host("sns", arn);
        assert_eq!(at("arn:aws:sns:us-west-2:123456789012:T").as_deref(), Some("sns.us-west-2.amazonaws.com"));
        assert_eq!(at("arn:aws-cn:sns:cn-north-1:1:T").as_deref(), Some("sns.cn-north-1.amazonaws.com.cn"));
        for arn in [
            "",
            "arn:aws:sns",
            "arn:aws:sqs:us-west-2:1:T",
            "arn:evil:sns:us-west-2:1:T",
            "arn:aws:sns:evil.test/:1:T",
            "arn:aws:sns:us-west-2.evil.test:1:T",
            "arn:aws:sns:us-west-2@x:1:T",
            "arn:aws:sns:US-WEST-2:1:T",
            "arn:aws:sns::1:T",
        ] {
            assert_eq!(at(arn), None, "{arn}");
        }
    }

    #[test]
    fn half_an_arn_is_none() {
        for arn in ["arn:aws:sns:us-west-2:123456789012:a-B_9.fifo", "arn:aws-us-gov:sns:us-gov-west-1:123456789012:T"]
        {
            assert!(is_whole("sns", arn), "{arn}");
        }
        for arn in [
            "alarms",
            "arn:aws:sns:us-west-2:123456789012",
            "arn:aws:sns:us-west-2:123456789012:",
            "arn:aws:sns:us-west-2:12345678901:T",
            "arn:aws:sns:us-west-2:12345678901x:T",
            "arn:aws:sns:us-west-2:123456789012:*",
            "arn:aws:sns:us-west-2:123456789012:T:0f3a0c1d-cc78-11e3-81ab-000000000001",
            "arn:aws:sqs:us-west-2:123456789012:T",
            "https://sns.us-west-2.amazonaws.com/123456789012/T",
        ] {
            assert!(!is_whole("sns", arn), "{arn}");
        }
    }
}
