import assert from "node:assert/strict";
import { Contact } from "../../../../broker/replication/contact.ts";

const TIMEOUT = 2000;

function contact(): { readonly contact: Contact; readonly lapses: () => number } {
  const made = new Contact(TIMEOUT, 0);
  let lapses = 0;
  made.onLapse = () => {
    lapses++;
  };
  return { contact: made, lapses: () => lapses };
}

describe("contact (R7)", () => {
  it("lasts for the session timeout after what was last asked and answered", () => {
    const { contact: its } = contact();
    its.heard(1500);
    assert.equal(its.inTouch(3500), true);
    assert.equal(its.inTouch(3501), false);
    // An answer to something asked earlier proves nothing newer.
    its.heard(1000);
    assert.equal(its.inTouch(3501), false);
  });

  it("goes on when somebody is heard in time", () => {
    const { contact: its, lapses } = contact();
    for (let at = 0; at <= 20_000; at += TIMEOUT) its.heard(at);
    assert.equal(its.inTouch(20_001), true);
    assert.equal(lapses(), 0);
  });

  it("does not come back by being heard after a silence, but by reading the recorded state", () => {
    const { contact: its, lapses } = contact();
    its.heard(5000);
    assert.equal(its.inTouch(5000), false);
    its.heard(5100);
    assert.equal(its.inTouch(5100), false);
    assert.equal(lapses(), 1, "asked for once");
    its.refreshed(5050);
    assert.equal(its.inTouch(5100), true);
    assert.equal(its.inTouch(5050 + TIMEOUT + 1), false);
  });

  it("lapses at once when the controller takes the broker for dead", () => {
    const { contact: its, lapses } = contact();
    its.heard(1000);
    its.lapse();
    assert.equal(its.inTouch(1000), false);
    its.heard(1100);
    assert.equal(its.inTouch(1100), false);
    assert.equal(lapses(), 1);
    its.refreshed(1050);
    assert.equal(its.inTouch(1100), true);
  });
});
