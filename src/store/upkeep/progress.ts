/** Called from time to time by a long operation, with the amount done so far. */
export type OnProgress = (done: number) => void;
