/** How a long operation tells how far it is: called now and then with the number of items done. */
export type OnProgress = (done: number) => void;
