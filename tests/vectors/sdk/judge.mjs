// The verdict of a provider's official SDK on requests: `node judge.mjs stripe` reads one JSON line for each, with now (ms),
// secrets, method, url (as it was called), headers and body (base64), and answers one line: empty, or why it refuses.
// Everything else is as a Node server would have it: names of headers in lower case, repeated ones joined.
import { createRequire } from "node:module";
import { parse as parseForm } from "node:querystring";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
let clock = 0;
Date.now = () => clock;

/** What HubSpot's documentation tells its receivers to undo in a URL before they verify; its SDK leaves that to them. */
const HUBSPOT_DECODES = /%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B|3D|26)/gi;

const judges = {
    stripe: () => {
        const Stripe = require("stripe");
        const { signature } = new Stripe("sk_test_fake").webhooks;
        return ({ body, headers, now }, secret) => signature.verifyHeader(body, headers["stripe-signature"], secret, 300, undefined, now);
    },
    github: async () => {
        const { verifyWithFallback } = await import("@octokit/webhooks-methods");
        const judge = ({ text, headers }, secret, others) => verifyWithFallback(secret, text, headers["x-hub-signature-256"], others);
        return judge;
    },
    slack: () => {
        const { verifySlackRequest } = require("@slack/bolt");
        return ({ text, headers, now }, secret) =>
            verifySlackRequest({ signingSecret: secret, body: text, headers, nowMilliseconds: now });
    },
    twilio: () => {
        const { validateIncomingRequest } = require("twilio");
        return ({ text, headers, url }, secret) => {
            const request = { header: (name) => headers[name.toLowerCase()], rawBody: text, body: parseForm(text) };
            return validateIncomingRequest(request, secret, { url });
        };
    },
    "standard-webhooks": () => {
        const { Webhook } = require("standardwebhooks");
        return ({ body, headers }, secret) => new Webhook(secret).verify(body, headers, { jsonParse: false });
    },
    hubspot: () => {
        const { Signature } = require("@hubspot/api-client");
        return ({ method, text, headers, url }, secret) => {
            const third = headers["x-hubspot-signature-v3"];
            const signatureVersion = third !== undefined ? "v3" : headers["x-hubspot-signature-version"] === "v2" ? "v2" : "v1";
            const valid = (url) =>
                Signature.isValid({
                    method, url, signatureVersion, clientSecret: secret, requestBody: text,
                    signature: third ?? headers["x-hubspot-signature"], timestamp: headers["x-hubspot-request-timestamp"],
                });
            return valid(url) || valid(url.replace(HUBSPOT_DECODES, decodeURIComponent));
        };
    },
};

const judge = await judges[process.argv[2]]();

/** Any live secret will do, as with us. */
async function refusal(request) {
    let reason = "no secret";
    for (const [place, secret] of request.secrets.entries()) {
        try {
            if ((await judge(request, secret, request.secrets.slice(place + 1))) !== false) return "";
            reason = "false";
        } catch (error) {
            reason = error.message.split("\n")[0] || "an error without a message";
        }
    }
    return reason;
}

for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    clock = request.now;
    request.body = Buffer.from(request.body, "base64");
    request.text = request.body.toString();
    const joined = {};
    for (const [name, value] of request.headers) {
        const key = name.toLowerCase();
        joined[key] = key in joined ? `${joined[key]}, ${value}` : value;
    }
    request.headers = joined;
    if (!process.stdout.write(`${await refusal(request)}\n`)) await new Promise((resolve) => process.stdout.once("drain", resolve));
}
