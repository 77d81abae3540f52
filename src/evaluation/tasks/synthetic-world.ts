/** The invented world of the synthetic tasks: names, relations, facts that can change, small talk. Data only. */

export const FIRST_NAMES = [
  ..."Mara Ivo Selma Tarek Nuria Olaf Petra Kofi Leila Bruno Yuki Anselm Dina Rafe Ottilie Zoran".split(" "),
  ..."Ingrid Mateo Farah Lorcan Signe Hamid Clio Wendel Amara Jonas Tove Elio Renske Pavel".split(" "),
];

export const SURNAMES = [
  ..."Lindqvist Marques Oduya Haddad Ferrer Brandt Novak Mensah Karimi Conti Tanaka Vogler".split(" "),
  ..."Rahal Whitlock Aubrey Petrovic Solberg Iglesias Nazari Keane Dahl Sarkis Moreau Hale".split(" "),
];

export const RELATIONS = [
  "neighbour",
  "piano teacher",
  "cousin",
  "business partner",
  "running mate",
  "landlord",
];

export const MONTHS = [
  ..."January February March April May June July August September October November December".split(" "),
];

/** A kind of fact about a person: its values, and how it is stated, changed and asked for. */
export interface Attribute {
  name: string;
  values: readonly string[];
  is: (who: string, value: string, month: string) => string;
  becomes: (who: string, value: string, before: string, month: string) => string;
  asks: (who: string) => string;
}

export const ATTRIBUTES: readonly Attribute[] = [
  {
    name: "city",
    values: "Porto Ghent Tartu Gdansk Bilbao Aarhus Izmir Lecce Bergen Graz Cork Nantes".split(" "),
    is: (who, value, month) => `In ${month} ${who} settled in ${value}.`,
    becomes: (who, value, before, month) => `In ${month} ${who} left ${before} and moved to ${value}.`,
    asks: (who) => `In which city does ${who} live now?`,
  },
  {
    name: "employer",
    values: [
      ..."Calder Optics|Brightwater Mills|Fennimore Maps|Orsini Ceramics|Tallis Press|Quayside Bakery".split(
        "|",
      ),
      ..."Hollis Robotics|Merrow Shipping|Pinecrest Archive|Vantage Looms".split("|"),
    ],
    is: (who, value, month) => `In ${month} ${who} began to work for ${value}.`,
    becomes: (who, value, before, month) =>
      `In ${month} ${who} gave notice at ${before} and joined ${value}.`,
    asks: (who) => `Which company does ${who} work for now?`,
  },
  {
    name: "pet",
    values: "tortoise greyhound parrot ferret rabbit hedgehog canary gecko whippet chinchilla".split(" "),
    is: (who, value, month) => `In ${month} ${who} took in a ${value}.`,
    becomes: (who, value, before, month) =>
      `In ${month} ${who} gave the ${before} away and now keeps a ${value}.`,
    asks: (who) => `Which animal does ${who} keep now?`,
  },
  {
    name: "instrument",
    values: "oboe cello mandolin accordion trombone harp bassoon zither clarinet viola".split(" "),
    is: (who, value, month) => `In ${month} ${who} started to learn the ${value}.`,
    becomes: (who, value, before, month) =>
      `In ${month} ${who} sold the ${before} and changed to the ${value}.`,
    asks: (who) => `Which instrument does ${who} play now?`,
  },
];

export const CHIT_CHAT = [
  "The tram was late again this morning.",
  "I finally repaired the kitchen tap.",
  "We had soup with far too much pepper.",
  "The library has new chairs by the window.",
  "It rained for most of the week.",
  "I lost an umbrella and found another.",
  "The film last night was longer than it had to be.",
  "Somebody painted the fence green.",
  "There was a queue at the post office.",
  "My bicycle makes a noise I cannot place.",
  "The bread came out well this time.",
  "I am halfway through a book about lighthouses.",
];
