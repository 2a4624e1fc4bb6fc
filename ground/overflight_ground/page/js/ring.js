/** The newest N things, numbered for ever: what falls out of the front keeps nobody else's number. */

export class Ring {
  constructor(capacity) {
    this.capacity = capacity;
    this.items = [];
    this.first = 0; // number of items[0]
  }

  get end() {
    return this.first + this.items.length;
  }

  push(...added) {
    this.items.push(...added.slice(-this.capacity));
    const over = this.items.length - this.capacity;
    if (over > 256 || (over > 0 && added.length > 256)) {
      this.items.splice(0, over);
      this.first += over;
    }
  }

  get(number) {
    return this.items[number - this.first];
  }

  clear() {
    this.first = this.end;
    this.items = [];
  }
}
