/**
 * LangGraph's `auth` for the agent: who a user is, and what is theirs.
 *
 * The tokens are signed with `AUTH_SECRET`, so that the example needs no identity provider; put the check of yours into
 * `authenticate`. `langgraph.json` beside this file names it: `npx langgraphjs dev --config examples/auth/langgraph.json`.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { Auth, HTTPException } from "@langchain/langgraph-sdk/auth";
import { ownedByUsers, refuseUnguarded } from "../../src/server.js";

export const auth = new Auth()
  .authenticate((request) => {
    refuseUnguarded(request);
    const token = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "";
    const user = userOf(token);
    if (!user) throw new HTTPException(401, { message: "A valid token is needed" });
    return user;
  })
  .on("*", ownedByUsers());

/** A token for a user; operators, who may make assistants, have the permission "agemem:operator". */
export function tokenFor(identity: string, permissions: string[] = []): string {
  const payload = Buffer.from(JSON.stringify({ identity, permissions })).toString("base64url");
  return `${payload}.${signature(payload)}`;
}

function userOf(token: string): { identity: string; permissions: string[] } | undefined {
  const [payload = "", signed = ""] = token.split(".");
  const expected = Buffer.from(signature(payload));
  const given = Buffer.from(signed);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  return JSON.parse(Buffer.from(payload, "base64url").toString());
}

function signature(payload: string): string {
  const secret = process.env.AUTH_SECRET;
  if (!secret) throw new Error("Set AUTH_SECRET to a long random text");
  return createHmac("sha256", secret).update(payload).digest("base64url");
}
