/** The part of htm's standalone build of Preact that the playground uses. What `html` gives is drawn, never looked into. */

export function html(strings: TemplateStringsArray, ...values: unknown[]): any;
export function render(what: any, into: Element): void;
export function useState<T>(first: T | (() => T)): [T, (next: T | ((before: T) => T)) => void];
export function useReducer<T>(next: (before: T, action: undefined) => T, first: T): [T, (action: undefined) => void];
export function useEffect(effect: () => void | (() => void), inputs?: unknown[]): void;
export function useLayoutEffect(effect: () => void | (() => void), inputs?: unknown[]): void;
export function useRef(first: any): { current: any };
