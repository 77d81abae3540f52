/**
 * The demo's conversation: one user, two sessions, in which there is a reason for each of the six memory operations.
 *
 * Pure data. Leaves out running it (`session.ts`) and who answers (the offline rules or a language model).
 */

/** One session: its title and what the user says, turn by turn. */
export interface DemoSession {
  title: string;
  turns: string[];
}

/** A pasted mail: one useful line about the user's flight among advertising and a mail server's log. */
const PASTED_MAIL = `I got this mail from the airline and only the flight matters to me, the rest is advertising.

AIR ATLANTICO CLUB NEWS, THE NEWSLETTER FOR FREQUENT FLYERS. View this email in your browser. November sale: save up to 40% off winter city breaks with our sponsored partner hotels. Click here to unlock bonus points on every partner offer before the limited time sale ends on Sunday night. Bonus points cannot be combined with any other voucher or promo code.

Your flight AT 1873 from Porto to Lyon departs on 14 December at 07:25 from gate B12, booking reference QX7RTL.

SPONSORED: Upgrade now to the Gold loyalty card and earn points three times as fast. Gold subscribers enjoy lounge access, free shipping in our duty free shop and a gift card for the first hundred new members. This partner offer is valid for new subscribers only and may be withdrawn at any time. Shop now and save up to 25% off headphones, sunglasses and travel pillows in the duty free sale.

Win a weekend for two in a sponsored five star hotel! Download our app, follow us and share this newsletter with three friends to enter the prize draw. Don't miss our limited time offer on airport parking, rental cars and travel insurance with our partner brands.

2026-11-20 08:12:01 INFO mailer queue=newsletter batch=4471 status=queued recipient=redacted
2026-11-20 08:12:02 INFO mailer queue=newsletter batch=4471 status=rendered recipient=redacted
2026-11-20 08:12:03 WARN mailer queue=newsletter batch=4471 status=retry recipient=redacted
2026-11-20 08:12:09 INFO mailer queue=newsletter batch=4471 status=sent recipient=redacted

This newsletter was automatically generated, please do not reply. You receive it because you are a subscriber. Unsubscribe here or change your cookie settings. Read our privacy policy and the terms and conditions of the loyalty programme at www.air-atlantico.example. Copyright 2026 Air Atlantico Club, all rights reserved.`;

/** In session 1 the user states, changes and withdraws facts and floods the context; in session 2 they only ask. */
export const DEMO_SESSIONS: readonly DemoSession[] = [
  {
    title: "Monday: getting to know each other",
    turns: [
      "Hi! My name is Nora. I live in Porto and I work as a freelance translator.",
      "By the way, I'm allergic to peanuts, and my sister Maya lives in Lyon with her two kids. I drink coffee from morning to night.",
      "My old flatmate Daniel still has the spare key to my flat.",
      PASTED_MAIL,
      "Actually, I switched from coffee to green tea last week. My doctor insisted.",
      "What a weekend we had here! Rain from morning to night and then a storm that took half of the roof tiles down the street. On Sunday everybody was out with brooms and buckets. It took until the evening before the trams were running again, and even then only on two of the lines.",
      "Please forget what I said about Daniel and the spare key. That is settled now.",
      "I'm translating a cookbook about Japanese home cooking, 320 pages, and my deadline is 30 January. The publisher is called Casa Azul. It is slow work: every second recipe has an ingredient without a Portuguese name, and the photographs do not always match the steps. The chapter on pickles alone took a fortnight of reading, phone calls and tasting.",
      "Small update: I moved to Lisbon last weekend, so the old address is history.",
      "When does my flight to Lyon leave?",
      "Thanks, that's all for today. Good night!",
    ],
  },
  {
    title: "Thursday: another process, the same user",
    turns: [
      "Hi again! Where do I live now?",
      "What do I like to drink these days?",
      "Who has the spare key to my flat?",
      "When is my deadline for the cookbook? And can you suggest something I should avoid at my sister's birthday dinner?",
    ],
  },
];
