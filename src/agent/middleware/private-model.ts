/**
 * A chat model whose calls do not carry the run's context.
 *
 * langchain's `createAgent` passes the run's whole config to the model, and tracers copy it into the options of the
 * call, although the context names the user and may hold the application's secrets. Owns wrapping a model to which
 * langchain binds tools and which langchain invokes; our own graph drops the context itself (`tools/tracing.ts`).
 */
import { withoutContext } from "../../tools/tracing.js";

type Method = (...args: unknown[]) => unknown;

/** Methods that take a config as their second argument. */
const CALLS = new Set<PropertyKey>(["invoke", "stream", "streamEvents"]);
/** Methods that return another form of the model, or a promise of one. */
const FORMS = new Set<PropertyKey>([
  "bindTools",
  "bind",
  "withConfig",
  "withStructuredOutput",
  "_getModelInstance",
]);

const wrapped = new WeakMap<object, object>();

/**
 * The model with an empty context in the config of its calls, even after tools are bound to it. A model is wrapped only
 * once.
 */
export function withoutTracedContext<M extends object>(model: M): M {
  const known = wrapped.get(model);
  if (known) return known as M;
  const hidden = new Proxy(model, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      // The model inside a binding is the one that is called.
      if (name === "bound" && typeof value === "object" && value !== null) return withoutTracedContext(value);
      if (typeof value !== "function" || name === "constructor") return value;
      const method = value as Method;
      if (CALLS.has(name)) {
        return (input: unknown, config?: object, ...rest: unknown[]) =>
          method.call(target, input, withoutContext(config ?? {}), ...rest);
      }
      if (FORMS.has(name)) return (...args: unknown[]) => hide(method.apply(target, args));
      return method.bind(target);
    },
  });
  wrapped.set(model, hidden);
  return hidden;
}

function hide(made: unknown): unknown {
  if (made instanceof Promise) return made.then(hide);
  return typeof made === "object" && made !== null ? withoutTracedContext(made) : made;
}
