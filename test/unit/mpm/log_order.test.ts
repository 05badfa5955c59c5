/** The order of lines that several children write. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ArrivalOrder, LogOrder, orderCells, type SharedLog } from "../../../modules/mpm/log_order.ts";

/** Children of one server; the end of a turn of each comes when it is told to. */
function family(count: number) {
  const cells = orderCells();
  let text = "";
  let told = () => {};
  const log: SharedLog = {
    put(lines) {
      text += lines.map(([line]) => line).join("");
      told();
    },
  };
  const children = Array.from({ length: count }, (_, seat) => {
    const ends: (() => void)[] = [];
    const order = new LogOrder(cells, seat, (call) => ends.push(call));
    return {
      order,
      send: () => order.draw(),
      write: (line: string) => order.write(log, line),
      endTurn: () => {
        for (const end of ends.splice(0)) end();
      },
    };
  });
  /** Resolves when so much is written. */
  const until = (wanted: string) =>
    new Promise<void>((resolve) => {
      told = () => text === wanted && resolve();
      told();
    });
  return { cells, children, until, text: () => text };
}

describe("LogOrder", () => {
  it("writes the lines of a turn at its end", () => {
    const { children, text } = family(1);
    const [a] = children;
    a!.send();
    a!.write("1 ");
    a!.write("2 ");
    assert.equal(text(), "");
    a!.endTurn();
    assert.equal(text(), "1 2 ");
    a!.endTurn();
    assert.equal(text(), "1 2 ");
  });

  it("holds lines back until a child that answered before has written its own", async () => {
    const { children, text, until } = family(2);
    const [a, b] = children;
    a!.send(); // and the processor goes to the other one
    b!.send();
    b!.write("2 ");
    b!.endTurn();
    b!.send();
    b!.write("3 ");
    b!.endTurn();
    assert.equal(text(), "");
    a!.write("1 ");
    a!.endTurn();
    assert.equal(text(), "1 ");
    a!.send();
    a!.write("4 ");
    a!.endTurn(); // before the other one has looked again
    await until("1 2 3 4 ");
  });

  it("does not wait for a child that sent without a line, nor for one that is gone", () => {
    const { cells, children, text } = family(3);
    const [a, b, c] = children;
    a!.send();
    a!.endTurn();
    b!.send(); // and dies
    new ArrivalOrder(cells).forget(1);
    c!.send();
    c!.write("c ");
    c!.endTurn();
    assert.equal(text(), "c ");
  });

  it("does not wait long for a child that hangs", async () => {
    const { children, until } = family(2);
    children[0]!.send();
    children[1]!.write("late ");
    children[1]!.endTurn();
    await until("late ");
  });

  it("goes around with the numbers, and leaves out 0", () => {
    const { cells, children, text } = family(2);
    const [a, b] = children;
    cells[0] = 0x7f_ff_ff_fe;
    a!.send(); // 2^31 - 1
    b!.write("b "); // -2^31
    b!.endTurn();
    assert.equal(text(), "");
    a!.write("a ");
    a!.endTurn();
    assert.equal(text(), "a ");
    b!.order.flush();
    cells[0] = -1;
    a!.write("c ");
    a!.endTurn();
    assert.equal(cells[0], 1);
    assert.equal(text(), "a b c ");
  });

  it("writes everything when the child ends", () => {
    const { children, text } = family(2);
    children[0]!.send();
    children[1]!.write("1 ");
    children[1]!.endTurn();
    children[1]!.write("2 ");
    children[1]!.order.flush();
    assert.equal(text(), "1 2 ");
  });
});

describe("ArrivalOrder", () => {
  /** Two children send a message each, "a" before "b"; `arrive` is told in which order they arrive. */
  function sent() {
    const { cells, children } = family(3);
    const arrivals = new ArrivalOrder(cells);
    const numbers: number[] = [];
    for (const { order, endTurn } of children) {
      order.write({ put: (_lines, number) => numbers.push(number) }, "line");
      order.sending();
      endTurn();
    }
    let text = "";
    const arrive = (seat: number) => arrivals.add(seat, numbers[seat]!, () => void (text += "abc"[seat]));
    return { arrivals, arrive, text: () => text };
  }

  it("takes messages in the order in which they were sent", () => {
    for (const seats of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
      [1, 0, 2],
    ]) {
      const { arrive, text } = sent();
      for (const seat of seats) arrive(seat);
      assert.equal(text(), "abc", `${seats}`);
    }
  });

  it("does not wait for what a child sent that is gone", () => {
    const { arrivals, arrive, text } = sent();
    arrive(2);
    arrive(1);
    assert.equal(text(), "");
    arrivals.forget(0);
    assert.equal(text(), "bc");
  });
});
