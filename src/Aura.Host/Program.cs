Console.WriteLine("aura");
