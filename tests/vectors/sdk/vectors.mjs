// Signs requests as each provider's official SDK for Node does, has the SDK verify them, and prints the vectors as JSON.
// Everything is fixed, the clock too. Names and secrets are fake. run.py runs it.
import * as crypto from "node:crypto";
import { createRequire } from "node:module";
import { parse as parseForm } from "node:querystring";

import { LinearWebhookClient } from "@linear/sdk/webhooks";
import * as github from "@octokit/webhooks-methods";

import { JSON_BODY, hashed, hmac, last, now, provider, twice, vectors } from "./harness.mjs";

const require = createRequire(import.meta.url);
const pair = (prefix) => [`${prefix}fakeSdkLive7d1b`, `${prefix}fakeSdkForeign`];
const FORM_BODY = ["Content-Type", "application/x-www-form-urlencoded"];

// Payments -------------------------------------------------------------------------------------------------------------

const Stripe = require("stripe");
const stripe = new Stripe("sk_test_fake");
await provider("stripe", {
    sdk: "stripe", signer: "webhooks.generateTestHeaderString", verifier: "webhooks.signature.verifyHeader",
    secrets: pair("whsec_"), alter: last, late: 301,
    sign: ({ body, secret, at }) => ({
        headers: [["Stripe-Signature", stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: at })]],
    }),
    verify: ({ body, secret, headers }) => stripe.webhooks.signature.verifyHeader(body, headers["stripe-signature"], secret, 300),
    cases: twice('{"id":"evt_sdk1","type":"invoice.paid","created":1699999990,"data":{"object":{"id":"in_sdk1"}}}', {
        id: "evt_sdk1", type: "invoice.paid", time: "2023-11-14T22:13:10Z", subject: "in_sdk1",
    }),
});

const Razorpay = require("razorpay");
await provider("razorpay", {
    sdk: "razorpay", verifier: "validateWebhookSignature", secrets: pair(""), alter: last,
    base: [JSON_BODY, ["X-Razorpay-Event-Id", "evt_fakeSdk1"]],
    sign: ({ body, secret }) => ({ headers: [["X-Razorpay-Signature", hmac("sha256", secret, body, "hex")]] }),
    verify: ({ body, secret, headers }) => Razorpay.validateWebhookSignature(body, headers["x-razorpay-signature"], secret),
    cases: twice('{"event":"payment.captured","account_id":"acc_fake","created_at":1699999990,"payload":{"payment":{"entity":{"id":"pay_fakeSdk"}}}}', {
        id: "evt_fakeSdk1", type: "payment.captured", time: "2023-11-14T22:13:10Z", subject: "pay_fakeSdk", tenant: "acc_fake",
    }),
});

const { WebhooksHelper } = require("square");
await provider("square", {
    sdk: "square", verifier: "WebhooksHelper.verifySignature", secrets: pair("sq-"), alter: last,
    sign: ({ body, secret, url }) => ({ headers: [["x-square-hmacsha256-signature", hmac("sha256", secret, url + body, "base64")]] }),
    verify: ({ body, secret, headers, url }) =>
        WebhooksHelper.verifySignature({
            requestBody: body, signatureHeader: headers["x-square-hmacsha256-signature"], signatureKey: secret, notificationUrl: url,
        }),
    cases: twice('{"merchant_id":"ML_fake","type":"payment.updated","event_id":"ev-sdk-1","created_at":"2026-01-02T03:04:05.5Z","data":{"id":"pay-1","object":{"payment":{"status":"COMPLETED"}}}}', {
        id: "ev-sdk-1", type: "payment.updated", time: "2026-01-02T03:04:05.5Z", subject: "pay-1", tenant: "ML_fake",
    }),
});

const { Paddle } = require("@paddle/paddle-node-sdk");
const paddle = new Paddle("fake");
await provider("paddle", {
    sdk: "@paddle/paddle-node-sdk", verifier: "webhooks.isSignatureValid", secrets: pair("pdl_ntfset_"), alter: last, late: 301,
    sign: ({ body, secret, at }) => ({ headers: [["Paddle-Signature", `ts=${at};h1=${hmac("sha256", secret, `${at}:${body}`, "hex")}`]] }),
    verify: ({ body, secret, headers }) => paddle.webhooks.isSignatureValid(body, secret, headers["paddle-signature"]),
    cases: twice('{"event_id":"evt_sdk1","event_type":"transaction.completed","occurred_at":"2026-01-02T03:04:05.123456Z","data":{"id":"txn_1"}}', {
        id: "evt_sdk1", type: "transaction.completed", time: "2026-01-02T03:04:05.123456Z", subject: "txn_1",
    }),
});

const Adyen = require("@adyen/api-library");
const adyen = new Adyen.hmacValidator();
const adyenItem = {
    pspReference: "PSPSDK1", originalReference: "PSPSDK0", merchantAccountCode: "HooksECOM", merchantReference: "order:7\\ä",
    amount: { value: 1990, currency: "EUR" }, eventCode: "AUTHORISATION", eventDate: "2026-01-02T03:04:05+01:00", success: "true",
};
await provider("adyen", {
    sdk: "@adyen/api-library", signer: "hmacValidator.calculateHmac", verifier: "validateHMAC",
    secrets: ["00fa".repeat(16), "00fb".repeat(16)], alter: (body) => body.replace("1990", "1991"),
    sign: ({ body, secret }) => {
        const notification = JSON.parse(body);
        const item = notification.notificationItems[0].NotificationRequestItem;
        item.additionalData = { hmacSignature: adyen.calculateHmac(item, secret) };
        return { body: JSON.stringify(notification) };
    },
    verify: ({ body, secret }) => adyen.validateHMAC(JSON.parse(body).notificationItems[0].NotificationRequestItem, secret),
    cases: {
        valid: {
            body: JSON.stringify({ live: "false", notificationItems: [{ NotificationRequestItem: adyenItem }] }),
            id: "PSPSDK1:AUTHORISATION:true", type: "AUTHORISATION", time: "2026-01-02T02:04:05Z", subject: "PSPSDK1", tenant: "HooksECOM",
        },
        "without an original reference": {
            body: JSON.stringify({ live: "false", notificationItems: [{ NotificationRequestItem: { ...adyenItem, originalReference: undefined } }] }),
            id: "PSPSDK1:AUTHORISATION:true", type: "AUTHORISATION", time: "2026-01-02T02:04:05Z", subject: "PSPSDK1", tenant: "HooksECOM",
        },
    },
});

const braintree = require("braintree");
const gateway = (privateKey) =>
    new braintree.BraintreeGateway({ environment: braintree.Environment.Sandbox, merchantId: "fake", publicKey: "fakepublic", privateKey });
const sample = gateway("fakeSdkLive7d1b").webhookTesting.sampleNotification("subscription_charged_successfully", "sub_1");
await provider("braintree", {
    sdk: "braintree", signer: "webhookTesting.sampleNotification", verifier: "webhookNotification.parse",
    secrets: pair(""), base: [FORM_BODY], more: { params: { public_key: "fakepublic" } },
    alter: (body) => body.replace("bt_payload=A", "bt_payload=B").replace("bt_payload=P", "bt_payload=Q"),
    sign: ({ secret }) => ({
        body: new URLSearchParams(gateway(secret).webhookTesting.sampleNotification("subscription_charged_successfully", "sub_1")).toString(),
    }),
    verify: async ({ body, secret }) => {
        const form = Object.fromEntries(new URLSearchParams(body));
        await gateway(secret).webhookNotification.parse(form.bt_signature, form.bt_payload);
    },
    cases: { valid: { body: "", id: hashed(sample.bt_payload), type: "notification" } },
});

const { Webhook: Coinbase } = require("coinbase-commerce-node");
await provider("coinbase-commerce", {
    sdk: "coinbase-commerce-node", signer: "Webhook.computeSignature", verifier: "verifySigHeader", secrets: pair(""), alter: last,
    sign: ({ body, secret }) => ({ headers: [["X-CC-Webhook-Signature", Coinbase.computeSignature(body, secret)]] }),
    verify: ({ body, secret, headers }) => Coinbase.verifySigHeader(body, headers["x-cc-webhook-signature"], secret),
    cases: twice('{"id":1,"event":{"id":"ev-sdk-1","type":"charge:confirmed","created_at":"2026-01-02T03:04:05Z","data":{"code":"SDKCODE1"}}}', {
        id: "ev-sdk-1", type: "charge:confirmed", time: "2026-01-02T03:04:05Z", subject: "SDKCODE1",
    }),
});

const { basicAuthValidator } = require("chargebee");
await provider("chargebee", {
    sdk: "chargebee", verifier: "basicAuthValidator", by: "RFC 7617", secrets: ["hookstream:fakeSdkLive"],
    sign: ({ secret }) => ({ headers: [["Authorization", `Basic ${Buffer.from(secret).toString("base64")}`]] }),
    verify: ({ secret, headers }) => basicAuthValidator((user, password) => `${user}:${password}` === secret)(headers),
    cases: twice('{"id":"ev_sdk1","occurred_at":1699999990,"event_type":"invoice_generated","content":{"invoice":{"id":"inv_1"}}}', {
        id: "ev_sdk1", type: "invoice_generated", time: "2023-11-14T22:13:10Z", subject: "inv_1",
    }),
});

// Shops and messages ---------------------------------------------------------------------------------------------------

require("@shopify/shopify-api/adapters/node");
const { shopifyApi } = require("@shopify/shopify-api");
const { getHmac } = require("@shopify/shopify-api/test-helpers");
const shopify = (apiSecretKey) =>
    shopifyApi({
        apiKey: "fake", apiSecretKey, hostName: "shop.example.com", isEmbeddedApp: false, apiVersion: "2026-01",
        scopes: [], logger: { level: 0, log: () => {} },
    });
const shopifyFacts = { id: "w-sdk-1", type: "orders/create", time: "2026-01-02T03:04:05.123456789Z", tenant: "demo.myshopify.com" };
await provider("shopify", {
    sdk: "@shopify/shopify-api", signer: "test-helpers getHmac", verifier: "webhooks.validate", secrets: pair("shpss_"), alter: last,
    base: [
        JSON_BODY, ["X-Shopify-Topic", "orders/create"], ["X-Shopify-Shop-Domain", "demo.myshopify.com"], ["X-Shopify-API-Version", "2026-01"],
        ["X-Shopify-Webhook-Id", "w-sdk-1"], ["X-Shopify-Triggered-At", "2026-01-02T03:04:05.123456789Z"],
    ],
    sign: ({ body, secret }) => ({ headers: [["X-Shopify-Hmac-Sha256", getHmac(body, secret)]] }),
    verify: async ({ body, secret, headers }) =>
        (await shopify(secret).webhooks.validate({ rawBody: body, rawRequest: { headers, method: "POST", url: "/" } })).valid,
    cases: twice('{"id":7,"admin_graphql_api_id":"gid://shopify/Order/7","total_price":"409.94"}', { ...shopifyFacts, subject: "gid://shopify/Order/7" }),
});

const { verifySlackRequest } = require("@slack/bolt");
await provider("slack", {
    sdk: "@slack/bolt", verifier: "verifySlackRequest", secrets: pair(""), alter: last, late: 301,
    sign: ({ body, secret, at }) => ({
        headers: [["X-Slack-Request-Timestamp", `${at}`], ["X-Slack-Signature", `v0=${hmac("sha256", secret, `v0:${at}:${body}`, "hex")}`]],
    }),
    verify: ({ body, secret, headers }) => verifySlackRequest({ signingSecret: secret, body, headers, nowMilliseconds: now() }),
    cases: twice('{"type":"event_callback","event_id":"Ev_bolt","event_time":1699999990,"team_id":"T_fake","event":{"type":"message","channel":"C_fake"}}', {
        id: "Ev_bolt", type: "message", time: "2023-11-14T22:13:10Z", subject: "C_fake", tenant: "T_fake",
    }),
});

const twilio = require("twilio");
const form = { MessageSid: "SM_sdk1", MessageStatus: "delivered", AccountSid: "AC_fake", Body: "Größe & 😀 +1", To: "+15005550006" };
const twilioFacts = { id: "SM_sdk1:delivered", type: "message.delivered", subject: "SM_sdk1", tenant: "AC_fake" };
await provider("twilio", {
    sdk: "twilio", signer: "webhooks.getExpectedTwilioSignature", verifier: "validateRequest", secrets: pair(""), alter: (body) => `${body}0`,
    base: [FORM_BODY],
    sign: ({ body, secret, url }) => {
        const fields = parseForm(body);
        return { headers: [["X-Twilio-Signature", twilio.getExpectedTwilioSignature(secret, url, fields)]] };
    },
    verify: ({ body, secret, headers, url }) =>
        twilio.validateRequest(secret, headers["x-twilio-signature"], url, parseForm(body)),
    cases: {
        valid: { body: new URLSearchParams(form).toString(), ...twilioFacts },
        "fields twice, once with the same value": { body: `${new URLSearchParams(form)}&Digits=5678&Digits=1234&Digits=5678`, ...twilioFacts },
        "fields in another order, one of them empty": { body: `Zone=&${new URLSearchParams(Object.entries(form).reverse())}`, ...twilioFacts },
    },
});

const { Signature } = require("@hubspot/api-client");
const hubspotClock = "X-HubSpot-Request-Timestamp";
for (const [version, header, base] of [
    ["v1", "X-HubSpot-Signature", [JSON_BODY, ["X-HubSpot-Signature-Version", "v1"]]],
    ["v2", "X-HubSpot-Signature", [JSON_BODY, ["X-HubSpot-Signature-Version", "v2"]]],
    ["v3", "X-HubSpot-Signature-v3", [JSON_BODY]],
]) {
    const timed = version === "v3";
    await provider("hubspot", {
        sdk: "@hubspot/api-client", signer: "Signature.getSignature", verifier: "isValid", prefix: version, secrets: pair(""), alter: last, base,
        late: timed ? 301 : 0,
        sign: ({ body, secret, url, at }) => {
            const options = { clientSecret: secret, requestBody: body, url, timestamp: at * 1000 };
            const signature = [header, Signature.getSignature("POST", version, options)];
            return { headers: timed ? [[hubspotClock, `${at * 1000}`], signature] : [signature] };
        },
        verify: ({ body, secret, url, headers }) =>
            Signature.isValid({
                method: "POST", signatureVersion: version, signature: headers[header.toLowerCase()],
                clientSecret: secret, requestBody: body, url, timestamp: Number(headers[hubspotClock.toLowerCase()]),
            }),
        cases: twice(
            '[{"eventId":1,"subscriptionId":2,"portalId":3,"objectId":4,"occurredAt":1699999990123,"subscriptionType":"contact.creation"}]',
            { id: "3:2:1:4:1699999990123", type: "contact.creation", time: "2023-11-14T22:13:10.123Z", subject: "4", tenant: "3" },
        ),
    });
}

const { EventWebhook } = require("@sendgrid/eventwebhook");
// ECDSA takes a random number, so these were signed once, by tests/vectors/asymmetric.py (RFC 6979).
const sendgridSigned = {
    '[{"email":"ada@example.com","timestamp":1699999990,"event":"delivered","sg_event_id":"ev_sdk1","sg_message_id":"msg_sdk1"}]\r\n':
        "MEUCIQCAG2WCOSA4qY1uZDPrB/0ht1PCAB0XKoIDJOri9HMYkgIgGS+RtC0QJos9JVeOIq0NP+EU4XYLbqVR1mgxbbBvLpc=",
    '[{ "größe" :\t"µ \\u00e9 😀",\n"timestamp":1699999990,"event":"delivered","sg_event_id":"ev_sdk1","sg_message_id":"msg_sdk1"}]\r\n':
        "MEUCIDBzrXUpdveAiAIvcg09Bb2V4PqVf+BHXuMyemhd2GH2AiEAwSSdXK/aaeglWz1Ri6szqwe2v9P4Xp5BOj+6bB+GDR8=",
};
const sendgridFacts = { id: "ev_sdk1", type: "delivered", time: "2023-11-14T22:13:10Z", subject: "msg_sdk1" };
const [sendgridPlain, sendgridOdd] = Object.keys(sendgridSigned);
await provider("sendgrid", {
    sdk: "@sendgrid/eventwebhook", verifier: "verifySignature", by: "tests/vectors/asymmetric.py", alter: last,
    secrets: ["MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEvztVl9E48JEYGsEasbOTzmtQVtNUTyh2xFhPkJwpQoxOb/N2je0IkiUieRZ/UrveV6CV7+JxfazkqCt5/101Fg=="],
    sign: ({ body, at }) => ({
        headers: [["X-Twilio-Email-Event-Webhook-Timestamp", `${at}`], ["X-Twilio-Email-Event-Webhook-Signature", sendgridSigned[body]]],
    }),
    verify: ({ body, secret, headers }) => {
        const webhook = new EventWebhook();
        const [signature, at] = ["signature", "timestamp"].map((part) => headers[`x-twilio-email-event-webhook-${part}`]);
        return webhook.verifySignature(webhook.convertPublicKeyToECDSA(secret), body, signature, at);
    },
    cases: {
        valid: { body: sendgridPlain, ...sendgridFacts },
        "letters, blanks and the line end stay as they are": { body: sendgridOdd, ...sendgridFacts },
    },
});

// Standard Webhooks and who follows it ---------------------------------------------------------------------------------

const standard = require("standardwebhooks");
const whsec = ["whsec_ZmFrZSBzZGsgc2VjcmV0IG9mIHRlc3Rz", "whsec_YW5vdGhlciBmYWtlIHNkayBzZWNyZXQh"];
/** By the reference library, with the headers of one family; late and early are both refused. */
const followed = (family, Webhook = standard.Webhook) => ({
    secrets: whsec, alter: last, late: 301, early: 301,
    sign: ({ body, secret, at }) => ({
        headers: [
            [`${family}-id`, "msg_sdk1"], [`${family}-timestamp`, `${at}`],
            [`${family}-signature`, new Webhook(secret).sign("msg_sdk1", new Date(at * 1000), body)],
        ],
    }),
    verify: ({ body, secret, headers }) => new Webhook(secret).verify(body, headers),
});
await provider("standard-webhooks", {
    ...followed("webhook"), sdk: "standardwebhooks", signer: "Webhook.sign", verifier: "verify",
    cases: twice('{"type":"user.created","timestamp":"2022-11-03T20:26:10.344522Z","data":{"id":"user_sdk1"}}', {
        id: "msg_sdk1", type: "user.created", time: "2022-11-03T20:26:10.344522Z", subject: "user_sdk1",
    }),
});

const svix = require("svix");
await provider("svix", {
    ...followed("svix", svix.Webhook), sdk: "svix", signer: "Webhook.sign", verifier: "verify",
    cases: twice('{"type":"invoice.paid","timestamp":"2022-11-03T20:26:10Z","data":{"id":"in_sdk1","appId":"app_sdk1"}}', {
        id: "msg_sdk1", type: "invoice.paid", time: "2022-11-03T20:26:10Z", subject: "in_sdk1", tenant: "app_sdk1",
    }),
});

const { verifyWebhook: clerkVerify } = require("@clerk/backend/webhooks");
await provider("clerk", {
    ...followed("svix"), sdk: "@clerk/backend", by: "standardwebhooks Webhook.sign", verifier: "verifyWebhook",
    verify: async ({ body, secret, headers, url }) => {
        await clerkVerify(new Request(url, { method: "POST", headers, body }), { signingSecret: secret });
    },
    cases: twice('{"type":"user.created","timestamp":1699999990123,"instance_id":"ins_sdk1","data":{"id":"user_sdk1"}}', {
        id: "msg_sdk1", type: "user.created", time: "2023-11-14T22:13:10.123Z", subject: "user_sdk1", tenant: "ins_sdk1",
    }),
});

const { Resend } = require("resend");
await provider("resend", {
    ...followed("svix"), sdk: "resend", by: "standardwebhooks Webhook.sign", verifier: "webhooks.verify",
    verify: ({ body, secret, headers }) => {
        const named = { id: headers["svix-id"], timestamp: headers["svix-timestamp"], signature: headers["svix-signature"] };
        new Resend("re_fake").webhooks.verify({ payload: body, headers: named, webhookSecret: secret });
    },
    cases: twice('{"type":"email.delivered","created_at":"2026-01-02T03:04:05.000Z","data":{"email_id":"em-sdk-1"}}', {
        id: "msg_sdk1", type: "email.delivered", time: "2026-01-02T03:04:05Z", subject: "em-sdk-1",
    }),
});

const { validateWebhook: replicateVerify } = require("replicate");
await provider("replicate", {
    ...followed("webhook"), early: 0, late: 0, sdk: "replicate", by: "standardwebhooks Webhook.sign", verifier: "validateWebhook",
    verify: ({ body, secret, headers }) => replicateVerify({ headers, body }, secret),
    cases: twice('{"id":"pred_sdk1","status":"succeeded","completed_at":"2026-01-02T03:04:05.678901Z"}', {
        id: "msg_sdk1", type: "prediction.succeeded", time: "2026-01-02T03:04:05.678901Z", subject: "pred_sdk1",
    }),
});

const { OpenAI } = require("openai");
const openai = new OpenAI({ apiKey: "sk-fake" });
await provider("openai", {
    ...followed("webhook"), sdk: "openai", by: "standardwebhooks Webhook.sign", verifier: "webhooks.verifySignature",
    verify: ({ body, secret, headers }) => openai.webhooks.verifySignature(body, headers, secret),
    cases: twice('{"id":"evt_sdk1","type":"response.completed","created_at":1699999990,"data":{"id":"resp_sdk1"}}', {
        id: "evt_sdk1", type: "response.completed", time: "2023-11-14T22:13:10Z", subject: "resp_sdk1",
    }),
});

// Code, work and media -------------------------------------------------------------------------------------------------

await provider("github", {
    sdk: "@octokit/webhooks-methods", signer: "sign", verifier: "verify", secrets: pair(""), alter: last,
    base: [JSON_BODY, ["X-GitHub-Event", "issues"], ["X-GitHub-Delivery", "d-sdk-1"]],
    sign: async ({ body, secret }) => ({ headers: [["X-Hub-Signature-256", await github.sign(secret, body)]] }),
    verify: ({ body, secret, headers }) => github.verify(secret, body, headers["x-hub-signature-256"]),
    cases: twice('{"action":"opened","issue":{"node_id":"I_1","updated_at":"2026-01-02T03:04:05Z"},"organization":{"login":"octo"}}', {
        id: "d-sdk-1", type: "issues.opened", time: "2026-01-02T03:04:05Z", subject: "I_1", tenant: "octo",
    }),
});

await provider("linear", {
    sdk: "@linear/sdk", verifier: "LinearWebhookClient.verify", secrets: pair("lin_wh_"), alter: (body) => body.replace("iss-1", "iss-2"),
    base: [JSON_BODY, ["Linear-Delivery", "d-sdk-1"]],
    sign: ({ body, secret }) => ({ headers: [["Linear-Signature", hmac("sha256", secret, body, "hex")]] }),
    verify: ({ body, secret, headers }) => new LinearWebhookClient(secret).verify(Buffer.from(body), headers["linear-signature"]),
    cases: twice('{"action":"create","type":"Issue","createdAt":"2026-01-02T03:04:05.678Z","data":{"id":"iss-1"},"organizationId":"org-1","webhookTimestamp":1700000000000}', {
        id: "d-sdk-1", type: "Issue.create", time: "2026-01-02T03:04:05.678Z", subject: "iss-1", tenant: "org-1",
    }),
});

const notion = require("@notionhq/client");
await provider("notion", {
    sdk: "@notionhq/client", signer: "signWebhookPayload", verifier: "verifyWebhookSignature", secrets: pair("secret_"), alter: last,
    sign: async ({ body, secret }) => ({
        headers: [["X-Notion-Signature", await notion.signWebhookPayload({ body, verificationToken: secret })]],
    }),
    verify: ({ body, secret, headers }) =>
        notion.verifyWebhookSignature({ body, signature: headers["x-notion-signature"], verificationToken: secret }),
    cases: twice('{"id":"ev-sdk-1","timestamp":"2026-01-02T03:04:05.678Z","workspace_id":"ws-1","type":"page.created","entity":{"id":"page-1"}}', {
        id: "ev-sdk-1", type: "page.created", time: "2026-01-02T03:04:05.678Z", subject: "page-1", tenant: "ws-1",
    }),
});

const { WorkOS } = require("@workos-inc/node");
const workos = new WorkOS("sk_fake").webhooks;
await provider("workos", {
    sdk: "@workos-inc/node", signer: "webhooks.computeSignature", verifier: "verifyHeader", secrets: pair(""), alter: last, late: 181,
    // The SDK signs what JSON.stringify makes of the object, so the body must be that.
    sign: async ({ body, secret, at }) => ({
        headers: [["WorkOS-Signature", `t=${at * 1000},v1=${await workos.computeSignature(at * 1000, JSON.parse(body), secret)}`]],
    }),
    verify: ({ body, secret, headers }) => workos.verifyHeader({ payload: JSON.parse(body), sigHeader: headers["workos-signature"], secret }),
    cases: {
        valid: {
            body: '{"id":"event_sdk1","event":"dsync.user.created","created_at":"2026-01-02T03:04:05.678Z","data":{"id":"du_1","directory_id":"dir_1"}}',
            id: "event_sdk1", type: "dsync.user.created", time: "2026-01-02T03:04:05.678Z", subject: "du_1", tenant: "dir_1",
        },
    },
});

const discordPair = (name) => {
    const seed = crypto.createHash("sha256").update(name).digest();
    const key = crypto.createPrivateKey({
        format: "der", type: "pkcs8", key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
    });
    return { key, public: crypto.createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32).toString("hex") };
};
const discord = require("discord-interactions");
await provider("discord", {
    sdk: "discord-interactions", verifier: "verifyKey", secrets: pair(""), secret: (name) => discordPair(name).public, alter: last,
    sign: ({ body, secret, at }) => ({
        headers: [
            ["X-Signature-Timestamp", `${at}`],
            ["X-Signature-Ed25519", crypto.sign(null, Buffer.from(`${at}${body}`), discordPair(secret).key).toString("hex")],
        ],
    }),
    verify: ({ body, secret, headers }) =>
        discord.verifyKey(body, headers["x-signature-ed25519"], headers["x-signature-timestamp"], discordPair(secret).public),
    cases: twice('{"version":1,"application_id":"77","type":1,"event":{"type":"ENTITLEMENT_CREATE","timestamp":"2024-10-18T14:42:53.064834","data":{"user":{"id":"5"}}}}', {
        id: hashed("77", "ENTITLEMENT_CREATE", "2024-10-18T14:42:53.064834", "5", null, null),
        type: "ENTITLEMENT_CREATE", time: "2024-10-18T14:42:53.064834Z", subject: "5", tenant: "77",
    }),
});

const Pusher = require("pusher");
await provider("pusher", {
    sdk: "pusher", signer: "Token.sign", verifier: "WebHook.isValid", secrets: pair(""), alter: last,
    base: [JSON_BODY, ["X-Pusher-Key", "fakekey"]],
    sign: ({ body, secret }) => ({ headers: [["X-Pusher-Signature", new Pusher.Token("fakekey", secret).sign(body)]] }),
    verify: ({ body, secret, headers }) =>
        new Pusher({ appId: "1", key: "fakekey", secret }).webhook({ headers, rawBody: body }).isValid(),
    cases: twice('{"time_ms":1699999990123,"events":[{"name":"channel_occupied","channel":"c-1"}]}', {
        id: hashed("1699999990123", "channel_occupied", "c-1", null, null, null, null, "0"),
        type: "channel_occupied", time: "2023-11-14T22:13:10.123Z", subject: "c-1",
    }),
});

const { Mux } = require("@mux/mux-node");
const mux = new Mux({ tokenId: "fake", tokenSecret: "fake" });
await provider("mux", {
    sdk: "@mux/mux-node", signer: "webhooks.computeSignature", verifier: "verifySignature", secrets: pair(""), alter: last, late: 301,
    sign: async ({ body, secret, at }) => ({
        headers: [["Mux-Signature", `t=${at},v1=${await mux.webhooks.computeSignature(`${at}.${body}`, secret)}`]],
    }),
    verify: ({ body, secret, headers }) => mux.webhooks.verifySignature(body, headers, secret),
    cases: twice('{"id":"ev-sdk-1","type":"video.asset.ready","created_at":"2026-01-02T03:04:05.000000Z","object":{"id":"as-1"},"environment":{"id":"env-1"}}', {
        id: "ev-sdk-1", type: "video.asset.ready", time: "2026-01-02T03:04:05Z", subject: "as-1", tenant: "env-1",
    }),
});

const { ElevenLabsClient } = require("@elevenlabs/elevenlabs-js");
const elevenlabs = new ElevenLabsClient({ apiKey: "fake" });
await provider("elevenlabs", {
    sdk: "@elevenlabs/elevenlabs-js", verifier: "webhooks.constructEvent", secrets: pair("wsec_"), alter: last, late: 1801,
    sign: ({ body, secret, at }) => ({ headers: [["ElevenLabs-Signature", `t=${at},v0=${hmac("sha256", secret, `${at}.${body}`, "hex")}`]] }),
    verify: ({ body, secret, headers }) => elevenlabs.webhooks.constructEvent(body, headers["elevenlabs-signature"], secret),
    cases: twice('{"type":"post_call_audio","event_timestamp":1699999990,"data":{"agent_id":"ag-1","conversation_id":"conv-1"}}', {
        id: hashed("post_call_audio", "1699999990", "conv-1", null),
        type: "post_call_audio", time: "2023-11-14T22:13:10Z", subject: "conv-1", tenant: "ag-1",
    }),
});

const { WebhooksManager } = require("box-node-sdk/lib/managers/webhooks");
await provider("box", {
    sdk: "box-node-sdk", verifier: "WebhooksManager.validateMessage", secrets: pair(""), alter: last, late: 601,
    base: [JSON_BODY, ["BOX-SIGNATURE-VERSION", "1"], ["BOX-SIGNATURE-ALGORITHM", "HmacSHA256"]],
    sign: ({ body, secret, at }) => {
        const stamp = new Date(at * 1000).toISOString().replace(".000Z", "Z");
        return { headers: [["BOX-DELIVERY-TIMESTAMP", stamp], ["BOX-SIGNATURE-PRIMARY", hmac("sha256", secret, body + stamp, "base64")]] };
    },
    verify: ({ body, secret, headers }) => WebhooksManager.validateMessage(body, headers, secret),
    cases: {
        valid: {
            body: '{"type":"webhook_event","id":"ev-sdk-1","created_at":"2026-01-02T03:04:05-08:00","trigger":"FILE.UPLOADED","created_by":{"id":"u-1"},"source":{"id":"f-1"}}',
            id: "ev-sdk-1", type: "FILE.UPLOADED", time: "2026-01-02T11:04:05Z", subject: "f-1", tenant: "u-1",
        },
    },
});

// Some SDKs leave timers behind; but to exit before a pipe has taken everything would cut it off.
process.stdout.write(JSON.stringify(vectors), () => process.exit(0));
