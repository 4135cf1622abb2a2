/** The little that is needed of the page's tree: found by id, made, and changed only where something is different. */

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no ${id}`)
  return found as T
}

export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  element.append(...children)
  return element
}

export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

/** `share` is from 0 to 1. */
export function setBar(bar: HTMLElement, share: number): void {
  const width = `${(Math.min(1, Math.max(0, share)) * 100).toFixed(1)}%`
  const filled = bar.firstElementChild as HTMLElement
  if (filled.style.width !== width) filled.style.width = width
}

export function makeBar(): HTMLElement {
  return make('span', { class: 'bar', 'aria-hidden': 'true' }, make('span'))
}

/**
 * Elements by key, in an order: those that are there stay, so that whoever has the focus keeps it. `build` makes one and
 * returns what updates it.
 */
export class KeyedList<T> {
  readonly #parent: HTMLElement
  readonly #build: (key: string) => { element: HTMLElement; update: (value: T) => void }
  readonly #items = new Map<string, { element: HTMLElement; update: (value: T) => void }>()

  constructor(
    parent: HTMLElement,
    build: (key: string) => { element: HTMLElement; update: (value: T) => void },
  ) {
    this.#parent = parent
    this.#build = build
  }

  show(entries: readonly (readonly [key: string, value: T])[]): void {
    const keys = new Set(entries.map(([key]) => key))
    for (const [key, { element }] of this.#items) {
      if (keys.has(key)) continue
      element.remove()
      this.#items.delete(key)
    }
    entries.forEach(([key, value], at) => {
      let item = this.#items.get(key)
      if (item === undefined) {
        item = this.#build(key)
        this.#items.set(key, item)
      }
      item.update(value)
      const there = this.#parent.children[at]
      if (there !== item.element) this.#parent.insertBefore(item.element, there ?? null)
    })
  }
}
