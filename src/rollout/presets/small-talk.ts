/** Lines of conversation that have nothing to do with any task. Data only. */
export const UNRELATED_TALK: readonly string[] = [
  "I could not sleep well last night. Do you have any tips?",
  "Which board game is good for four people?",
  "My neighbor's cat sits on my windowsill every morning.",
  "What should I pack for a weekend by the sea?",
  "I tried to bake bread and it came out like a stone.",
  "How often do you water a cactus?",
  "The bus was so full today that I walked instead.",
  "I am thinking of painting my kitchen yellow.",
  "Do you prefer tea or coffee in the afternoon?",
  "Somebody left an umbrella at my place again.",
];
