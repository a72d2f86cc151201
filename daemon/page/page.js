// Draws what /state tells. Text goes in as text, never as markup; nothing that was received is run.
"use strict";

const EVERY_MS = 400;
let shown = "";

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function fill(id, children) {
  document.getElementById(id).replaceChildren(...children);
}

function table(part) {
  const made = element("table"), head = element("tr");
  head.append(...part.columns.map((c) => element("th", c)));
  made.append(head, ...part.rows.map((row) => {
    const line = element("tr");
    line.append(...row.map((cell) => element("td", cell)));
    return line;
  }));
  return made;
}

function chart(part) {
  const drawn = (name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const n = part.values.length, width = 600, wide = width / n;
  const most = Math.max(...part.values, 1e-9);
  const made = drawn("svg", {viewBox: `0 0 ${width} 150`, role: "img"});
  made.append(drawn("title", {}, part.labels.map((l, i) => `${l} ${part.values[i]}`).join(", ")));
  part.values.forEach((value, i) => {
    const high = 105 * value / most, at = i * wide;
    made.append(
      drawn("rect", {x: at + wide * 0.15, y: 125 - high, width: wide * 0.7, height: high}),
      drawn("text", {x: at + wide / 2, y: 120 - high}, value ? String(value) : ""),
      drawn("text", {x: at + wide / 2, y: 142}, part.labels[i]));
  });
  const box = element("figure");
  box.append(made, element("figcaption", part.unit));
  return box;
}

const PARTS = {
  text: (part) => element("p", part.text),
  list: (part) => {
    const made = element("ul");
    made.append(...part.items.map((item) => element("li", item)));
    return made;
  },
  table,
  image: (part) => {
    const made = element("img");
    made.src = `data:${part.media};base64,${part.data}`;
    made.alt = part.alt;
    return made;
  },
  progress: (part) => {
    const made = element("label", `${part.label} ${part.done} of ${part.total} `);
    const bar = element("progress");
    bar.value = part.done;
    bar.max = part.total;
    made.append(bar);
    return made;
  },
  chart,
};

function card(one) {
  const made = element("article", null, "card");
  made.append(element("h2", one.card.title));
  for (const part of one.card.parts) {
    if (PARTS[part.type]) made.append(PARTS[part.type](part));
  }
  if (one.source) made.append(element("div", one.source, "source"));
  return made;
}

function draw(state) {
  const count = state.count;
  document.getElementById("count").textContent = count ? `${count.count} ${count.item}` : "";
  fill("sensors", Object.entries(state.muted).map(([name, muted]) =>
    element("li", `${name} ${muted ? "muted" : "on"}`, muted ? "muted" : "")));
  fill("captions", state.captions.map((c) => {
    const line = element("li", null, c.who);
    line.append(element("span", c.who, "who"), document.createTextNode(c.text));
    return line;
  }));
  fill("delegations", state.delegations.map((d) => element("li", `${d.words} (${d.status})`)));
  fill("cards", state.cards.slice().reverse().map(card));
}

async function look() {
  const footer = document.getElementById("footer");
  try {
    const answer = await fetch("state", {cache: "no-store"});
    const state = await answer.json();
    const clock = `${Math.floor(state.t_s / 60)}:${String(Math.floor(state.t_s % 60)).padStart(2, "0")}`;
    footer.textContent = `${state.ended ? "ended" : "running"}, ${clock}, ` +
      `background ${state.link ? "connected" : "not connected"}`;
    const {t_s, ...rest} = state, text = JSON.stringify(rest);
    if (text !== shown) {
      shown = text;
      draw(state);
    }
  } catch (error) {
    footer.textContent = "tagalong does not answer";
  }
}

look();
setInterval(look, EVERY_MS);
