/**
 * An array that JSON writes as one. Old libraries (Prototype 1.6) give all arrays a `toJSON` that returns text; what is
 * no function is not asked.
 */
export const plain = <Each>(array: Each[]): Each[] => Object.assign(array, { toJSON: 0 });
